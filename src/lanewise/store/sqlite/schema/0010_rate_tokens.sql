-- Tokens as the rate limits of real time count them, in which a rescue is reckoned: what an answer may become counts
-- at OpenAI. Of what was accepted before, a fourth of the bytes.
ALTER TABLE segments ADD COLUMN rate_tokens INTEGER NOT NULL DEFAULT 0;
UPDATE segments SET rate_tokens = bytes / 4;
ALTER TABLE batches ADD COLUMN rate_tokens INTEGER NOT NULL DEFAULT 0;
UPDATE batches SET rate_tokens = bytes / 4;
