-- Whom to tell of changes of the click log, and how far each of them has come in the feed.

-- Told up to after_number; from there to until_number a message is under way, if that is not 0, which keeps
-- its message_id however often it is sent. Who sends holds the row until held_until.
CREATE TABLE webhook (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    old_secret TEXT NOT NULL,
    old_secret_until REAL NOT NULL,
    campaign_id INTEGER,
    changes INTEGER NOT NULL,
    created_at REAL NOT NULL,
    pause TEXT NOT NULL,
    paused_at REAL,
    after_number INTEGER NOT NULL,
    until_number INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    failures INTEGER NOT NULL,
    retry_at REAL NOT NULL,
    failing_since REAL,
    succeeded_at REAL,
    error TEXT NOT NULL,
    holder TEXT NOT NULL,
    held_until REAL NOT NULL
) STRICT, WITHOUT ROWID;
