-- What followed a visit at its target, if the campaign tells targets of the visit: what was told of
-- it, one row for each kind and visit. And clicks that turned out to be none.

ALTER TABLE campaign ADD COLUMN click_id TEXT NOT NULL DEFAULT '';

CREATE TABLE engagement (
    id INTEGER PRIMARY KEY,
    visit_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    campaign_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    first_at REAL NOT NULL,
    at REAL NOT NULL,
    seconds_on_page REAL NOT NULL,
    pages INTEGER NOT NULL,
    network TEXT NOT NULL,
    UNIQUE (visit_id, kind)
) STRICT;

CREATE INDEX engagement_of_message ON engagement (campaign_id, recipient_id);

CREATE TABLE retraction (
    visit_id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    withdrawn_at REAL NOT NULL,
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    recipient_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    score REAL NOT NULL,
    reasons TEXT NOT NULL,
    verified INTEGER NOT NULL
) STRICT;

CREATE INDEX retraction_of_recipient ON retraction (recipient_id);
