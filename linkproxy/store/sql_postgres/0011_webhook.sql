-- Whom to tell of changes of the click log, and how far each of them has come in the feed.

-- Told up to after_number; from there to until_number a message is under way, if that is not 0, which keeps
-- its message_id however often it is sent. Who sends holds the row until held_until.
CREATE TABLE webhook (
    name text PRIMARY KEY,
    url text NOT NULL,
    secret text NOT NULL,
    old_secret text NOT NULL,
    old_secret_until double precision NOT NULL,
    campaign_id bigint,
    changes integer NOT NULL,
    created_at double precision NOT NULL,
    pause text NOT NULL,
    paused_at double precision,
    after_number bigint NOT NULL,
    until_number bigint NOT NULL,
    message_id text NOT NULL,
    failures integer NOT NULL,
    retry_at double precision NOT NULL,
    failing_since double precision,
    succeeded_at double precision,
    error text NOT NULL,
    holder text NOT NULL,
    held_until double precision NOT NULL
);
