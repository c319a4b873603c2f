-- When a click was settled for the first time: a day later it stands. NULL: before this was noted.
ALTER TABLE click ADD COLUMN settled_at double precision;
