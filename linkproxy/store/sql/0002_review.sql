-- Going over the journal again: which replays were applied, and what shadow policies said.

-- An audit: one row a replay, its counts written with each message that it changes.
CREATE TABLE replay (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    policy TEXT NOT NULL,
    campaign TEXT NOT NULL,
    since REAL,
    until REAL,
    messages INTEGER NOT NULL,
    visits INTEGER NOT NULL,
    gained INTEGER NOT NULL,
    lost INTEGER NOT NULL
) STRICT;

-- Visits that a shadow policy takes for something else than the live one; purged with the journal.
CREATE TABLE shadow_verdict (
    visit_id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    campaign_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    live TEXT NOT NULL,
    live_score REAL NOT NULL,
    shadow TEXT NOT NULL,
    shadow_score REAL NOT NULL,
    evidence TEXT NOT NULL,
    policy TEXT NOT NULL
) STRICT;

CREATE INDEX shadow_verdict_of_recipient ON shadow_verdict (recipient_id);

CREATE TABLE shadow_count (
    policy TEXT NOT NULL,
    campaign_id INTEGER NOT NULL,
    live TEXT NOT NULL,
    shadow TEXT NOT NULL,
    visits INTEGER NOT NULL,
    PRIMARY KEY (policy, campaign_id, live, shadow)
) STRICT, WITHOUT ROWID;
