-- Campaigns may leave links alone whose text is a URL itself.

ALTER TABLE campaign ADD COLUMN leave_shown_urls INTEGER NOT NULL DEFAULT 0;
