-- A visit that is opened again (late delivery, engagement) does not count for the hold window:
-- it would make its message due at once, and fresh visits with it.
ALTER TABLE open_visit ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
