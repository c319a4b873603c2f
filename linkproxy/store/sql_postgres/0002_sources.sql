-- Where the weights of a rule set come from: JSON, the source by the signal's name; empty if not
-- known. A source in a visit's evidence is left empty where it is the one told here. Kept as it is
-- rather than compressed, since it is read with each visit.

ALTER TABLE policy ADD COLUMN sources text NOT NULL DEFAULT '';
ALTER TABLE policy ALTER COLUMN sources SET STORAGE EXTERNAL;
