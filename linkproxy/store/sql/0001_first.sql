-- The first schema. Words are those of docs/design.md; columns are explained in docs/storage.md.
-- Times are REAL seconds since the epoch. Enumerations are stored as their text.

-- What a process must notice about writes of other processes, and what belongs to the file.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('epoch', 0), ('ping', 0);

-- what goes out ------------------------------------------------------------------------------

-- AUTOINCREMENT: tokens carry the id, so it must never come back for another campaign.
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    base_url TEXT NOT NULL,
    machine_answer TEXT NOT NULL,
    bait_style TEXT NOT NULL,
    utm_source TEXT NOT NULL,
    utm_medium TEXT NOT NULL,
    utm_campaign TEXT NOT NULL,
    utm_term TEXT NOT NULL,
    utm_content TEXT NOT NULL,
    rewrite_unsubscribe INTEGER NOT NULL,
    created_at REAL NOT NULL
) STRICT;

CREATE TABLE link (
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    key TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    role TEXT NOT NULL,
    position INTEGER NOT NULL,
    style TEXT NOT NULL,
    shape TEXT NOT NULL,
    PRIMARY KEY (campaign_id, key),
    UNIQUE (campaign_id, position)
) STRICT, WITHOUT ROWID;

-- A row id in order of age, so that retention walks it without an index on time.
CREATE TABLE message_link (
    id INTEGER PRIMARY KEY,
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    recipient_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    role TEXT NOT NULL,
    position INTEGER NOT NULL,
    shape TEXT NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (campaign_id, recipient_id, key)
) STRICT;

-- The hashes are keyed; address and reference are as the privacy setting stores them.
CREATE TABLE recipient (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    address_hash BLOB UNIQUE,
    reference_hash BLOB UNIQUE,
    address TEXT NOT NULL,
    reference TEXT NOT NULL,
    domain TEXT NOT NULL,
    track INTEGER NOT NULL,
    verified INTEGER NOT NULL
) STRICT;

CREATE TABLE untracked_domain (
    domain TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- A reference that was erased must not be registered again by the next visit of an old mail.
CREATE TABLE erased_reference (
    reference_hash BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- recipient_id 0 is the whole campaign; rank orders the sources, the better one is greater.
CREATE TABLE delivery (
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    recipient_id INTEGER NOT NULL,
    delivered_at REAL NOT NULL,
    source TEXT NOT NULL,
    rank INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, recipient_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    key TEXT NOT NULL,
    old_target TEXT NOT NULL,
    new_target TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;

CREATE TABLE signing_key_use (
    signing_key_id INTEGER NOT NULL,
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    PRIMARY KEY (signing_key_id, campaign_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_key (
    name TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- what comes in ------------------------------------------------------------------------------

-- used_at is right to a day, so that purging knows which profiles no visit refers to.
CREATE TABLE profile (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    agent TEXT,
    content TEXT NOT NULL,
    used_at REAL NOT NULL
) STRICT;

CREATE TABLE policy (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE
) STRICT;

-- The journal. Append-only and without a secondary index: one on (message, time) halves the
-- rate at ten million rows. No foreign keys either: their checks would want such indexes.
-- AUTOINCREMENT: clicks outlive the journal and are known by visit id.
CREATE TABLE visit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    campaign_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    role TEXT NOT NULL,
    method TEXT NOT NULL,
    client TEXT NOT NULL,
    network TEXT NOT NULL,
    profile_id INTEGER NOT NULL,
    http_version TEXT NOT NULL,
    secure INTEGER NOT NULL,
    by_reference INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    one_click INTEGER NOT NULL,
    answer TEXT NOT NULL,
    verdict TEXT NOT NULL,
    score REAL NOT NULL,
    prior REAL NOT NULL,
    evidence TEXT NOT NULL,
    policy_id INTEGER NOT NULL,
    facts TEXT NOT NULL,
    settled_verdict TEXT,
    settled_score REAL,
    settled_prior REAL,
    settled_evidence TEXT,
    settled_policy_id INTEGER,
    settled_facts TEXT,
    settled_at REAL
) STRICT;

-- Visits whose hold window is open: small and hot, emptied by the settle pass.
CREATE TABLE open_visit (
    campaign_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    visit_id INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (campaign_id, recipient_id, visit_id)
) STRICT, WITHOUT ROWID;

-- The visits of a message that are settled: the journal's index, built behind the write path.
CREATE TABLE message_visit (
    campaign_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    visit_id INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (campaign_id, recipient_id, visit_id)
) STRICT, WITHOUT ROWID;

-- Which messages were settled last, so that other processes forget what they remember of them.
CREATE TABLE settle_pass (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL
) STRICT;

CREATE TABLE stray (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    reason TEXT NOT NULL,
    method TEXT NOT NULL,
    target TEXT NOT NULL,
    client TEXT NOT NULL,
    network TEXT NOT NULL,
    profile_id INTEGER NOT NULL,
    campaign_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL
) STRICT;

CREATE TABLE click (
    visit_id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    recipient_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    score REAL NOT NULL,
    reasons TEXT NOT NULL,
    verified INTEGER NOT NULL,
    merged INTEGER NOT NULL
) STRICT;

CREATE INDEX click_of_campaign ON click (campaign_id);
CREATE INDEX click_of_recipient ON click (recipient_id);

CREATE TABLE unsubscribe (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    recipient_id INTEGER NOT NULL,
    one_click INTEGER NOT NULL,
    UNIQUE (campaign_id, recipient_id)
) STRICT;
