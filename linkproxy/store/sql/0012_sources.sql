-- Where the weights of a rule set come from: JSON, the source by the signal's name; empty if not
-- known. A source in a visit's evidence is left empty where it is the one told here.

ALTER TABLE policy ADD COLUMN sources TEXT NOT NULL DEFAULT '';
