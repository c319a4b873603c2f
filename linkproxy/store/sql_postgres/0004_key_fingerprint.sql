-- Which key of this id it was: another installation's first key has the same id. NULL: before this was noted.
ALTER TABLE signing_key_use ADD COLUMN fingerprint bytea;
