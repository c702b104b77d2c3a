-- Responses that a provider keeps: whose they are, so that nobody else's call goes on from them.
CREATE TABLE responses (
    id TEXT PRIMARY KEY,      -- the provider's
    tenant TEXT NOT NULL,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX responses_by_age ON responses (at);
