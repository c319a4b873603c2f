-- Visits with greater ids are open but wait for open_visit, which is written many at a time: a page of
-- it for each visit cost more than all else.
INSERT INTO meta (name, value)
SELECT 'indexed', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'visit'), 0);
