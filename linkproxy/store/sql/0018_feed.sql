-- In which order clicks were settled and withdrawn, by one counter for both tables, so that who follows
-- the click log misses nothing: a visit may become a click days after younger ones did. NULL: before
-- this was counted; the visit's id stands for it, which is smaller than any number given since.

ALTER TABLE click ADD COLUMN feed_number INTEGER;
ALTER TABLE retraction ADD COLUMN feed_number INTEGER;

CREATE INDEX click_in_feed ON click (coalesce(feed_number, visit_id));
CREATE INDEX retraction_in_feed ON retraction (coalesce(feed_number, visit_id));

INSERT INTO meta (name, value)
SELECT 'feed', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'visit'), 0);
