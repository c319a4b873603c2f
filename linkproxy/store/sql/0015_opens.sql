-- Campaigns whose mails hold a picture that tells when they are shown.

ALTER TABLE campaign ADD COLUMN opens INTEGER NOT NULL DEFAULT 0;
