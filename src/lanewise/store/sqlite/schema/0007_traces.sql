-- The span in which a request was accepted, as W3C's `traceparent`; empty where nobody traced it.
ALTER TABLE claims ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
