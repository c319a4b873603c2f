-- AUTOINCREMENT: who follows the opt-outs goes on behind the newest one, so its id must not come back
-- when its recipient is erased.

CREATE TABLE unsubscribe_kept (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    campaign_id INTEGER NOT NULL REFERENCES campaign (id),
    recipient_id INTEGER NOT NULL,
    one_click INTEGER NOT NULL,
    UNIQUE (campaign_id, recipient_id)
) STRICT;

INSERT INTO unsubscribe_kept (id, at, campaign_id, recipient_id, one_click)
SELECT id, at, campaign_id, recipient_id, one_click FROM unsubscribe ORDER BY id;

DROP TABLE unsubscribe;

ALTER TABLE unsubscribe_kept RENAME TO unsubscribe;
