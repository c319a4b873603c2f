-- What reports count, kept by whatever settles, erases or purges; docs/storage.md explains it.

-- state: 'live' can be counted again from the journal and the click log, 'kept' is what of it was
-- purged, 'fresh' is being counted again. part: 'campaign' (name ''), 'link', 'day', 'domain', 'reason'.
CREATE TABLE rollup (
    campaign_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    part TEXT NOT NULL,
    name TEXT NOT NULL,
    delivered INTEGER NOT NULL,
    clicks INTEGER NOT NULL,
    clickers INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    human INTEGER NOT NULL,
    machine INTEGER NOT NULL,
    uncertain INTEGER NOT NULL,
    likely_human INTEGER NOT NULL,
    raw INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, state, part, name)
) STRICT, WITHOUT ROWID;

-- How many clients of a domain's messages had so many possible clicks under a score.
CREATE TABLE rollup_possible (
    campaign_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    domain TEXT NOT NULL,
    score INTEGER NOT NULL,
    clicks INTEGER NOT NULL,
    units INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, state, domain, score, clicks)
) STRICT, WITHOUT ROWID;

-- What a message adds to them beyond the sum of its visits.
CREATE TABLE rollup_message (
    campaign_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    raw INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    clicks TEXT NOT NULL,
    possible TEXT NOT NULL,
    shapes TEXT NOT NULL,
    PRIMARY KEY (campaign_id, recipient_id)
) STRICT, WITHOUT ROWID;

-- Campaigns to be counted again, and the last recipient that was; blank: never counted before.
CREATE TABLE rollup_rebuild (
    campaign_id INTEGER PRIMARY KEY,
    recipient_id INTEGER NOT NULL,
    blank INTEGER NOT NULL
) STRICT;

-- The settled visits in order, for listings: a narrow index behind the write path.
CREATE TABLE settled_visit (
    campaign_id INTEGER NOT NULL,
    visit_id INTEGER NOT NULL,
    domain TEXT NOT NULL,
    verdict TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (campaign_id, visit_id)
) STRICT, WITHOUT ROWID;

-- Between which ids the visits of an hour are (hours since 1970), so that times find ids.
CREATE TABLE visit_hour (
    hour INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL
) STRICT;

ALTER TABLE click ADD COLUMN domain TEXT NOT NULL DEFAULT '';

UPDATE click SET domain = coalesce((SELECT r.domain FROM recipient r WHERE r.id = click.recipient_id), '');

CREATE INDEX click_of_domain ON click (domain);
CREATE INDEX click_of_campaign_domain ON click (campaign_id, domain);
CREATE INDEX click_of_link ON click (campaign_id, key);
CREATE INDEX click_of_message ON click (campaign_id, recipient_id);

INSERT INTO settled_visit (campaign_id, visit_id, domain, verdict, key)
SELECT v.campaign_id, v.id, coalesce(r.domain, ''), v.settled_verdict, v.key
FROM visit v LEFT JOIN recipient r ON r.id = v.recipient_id WHERE v.settled_verdict IS NOT NULL;

CREATE INDEX settled_visit_of_domain ON settled_visit (domain, visit_id);
CREATE INDEX settled_visit_of_verdict ON settled_visit (verdict, visit_id);

INSERT INTO visit_hour (hour, first_id, last_id)
SELECT hour, min(id), max(id) FROM (
    SELECT CAST(at AS INTEGER) / 3600 AS hour, id FROM visit
    UNION ALL SELECT CAST(at AS INTEGER) / 3600, visit_id FROM click)
GROUP BY hour;

INSERT INTO rollup_rebuild (campaign_id, recipient_id, blank) SELECT id, -1, 1 FROM campaign;
