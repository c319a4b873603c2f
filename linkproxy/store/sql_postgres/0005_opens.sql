-- Campaigns whose mails hold a picture that tells when they are shown.

ALTER TABLE campaign ADD COLUMN opens boolean NOT NULL DEFAULT false;
