-- Since when lists leave a campaign out; NULL: they show it. Its links work either way.

ALTER TABLE campaign ADD COLUMN archived_at REAL;
