-- What a key of the API may do; those of before may do everything, as they could.

ALTER TABLE api_key ADD COLUMN may text NOT NULL DEFAULT 'everything';
