-- What messages have taught of recipient domains and gateways; counts are of messages, worn off by
-- half-lives up to taught_at.
CREATE TABLE domain_profile (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    machines REAL NOT NULL,
    people REAL NOT NULL,
    baits_offered REAL NOT NULL,
    baited REAL NOT NULL,
    browsers REAL NOT NULL,
    delays REAL NOT NULL,
    delay_ln_sum REAL NOT NULL,
    taught_at REAL NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- Who taught, up to the number that a profile needs at most: no profile of a few persons.
CREATE TABLE domain_teacher (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    recipient_id INTEGER NOT NULL,
    PRIMARY KEY (scope, name, recipient_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX domain_teacher_of_recipient ON domain_teacher (recipient_id);
