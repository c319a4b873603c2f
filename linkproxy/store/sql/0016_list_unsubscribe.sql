-- Campaigns whose messages get List-Unsubscribe and List-Unsubscribe-Post.

ALTER TABLE campaign ADD COLUMN list_unsubscribe INTEGER NOT NULL DEFAULT 0;
