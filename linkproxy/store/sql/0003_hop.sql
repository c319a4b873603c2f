-- The extra hop: when the nonce of a request was given out (0: by nobody), and whether it brought
-- the cookie of one.
ALTER TABLE visit ADD COLUMN hop_at REAL;
ALTER TABLE visit ADD COLUMN hop_cookie INTEGER NOT NULL DEFAULT 0;
