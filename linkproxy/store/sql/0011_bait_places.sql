-- Where a campaign's bait anchors stand: both, early, late, double.

ALTER TABLE campaign ADD COLUMN bait_places TEXT NOT NULL DEFAULT 'both';
