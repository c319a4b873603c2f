-- Who scans for the mail domains of recipients. A domain comes in when a recipient is registered
-- and is due for look-up until somebody has looked; expires_at 0 means never looked up.

CREATE TABLE gateway (
    domain TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    mx TEXT NOT NULL,
    outcome TEXT NOT NULL,
    looked_up_at REAL NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX gateway_due ON gateway (expires_at);

-- Erasing the last recipient of a domain must not read all recipients.
CREATE INDEX IF NOT EXISTS recipient_of_domain ON recipient (domain);

INSERT INTO gateway (domain, name, mx, outcome, looked_up_at, expires_at)
SELECT DISTINCT domain, '', '', '', 0, 0 FROM recipient WHERE domain <> '';
