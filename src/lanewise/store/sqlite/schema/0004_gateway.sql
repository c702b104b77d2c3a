-- Virtual keys: who may call the gateway, and for what. The key itself is never stored, only its SHA-256.

-- A name is used once: revoked keys stay, so that nobody gets a name under which somebody else's requests are kept.
-- `models`, `lanes` and `endpoints` are JSON arrays; an empty one allows all.
CREATE TABLE keys (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    admin INTEGER NOT NULL CHECK (admin IN (0, 1)),
    owner TEXT NOT NULL,
    workflow TEXT NOT NULL,
    models TEXT NOT NULL,
    lanes TEXT NOT NULL,
    endpoints TEXT NOT NULL,
    deadline TEXT,
    requests_per_minute INTEGER CHECK (requests_per_minute > 0),
    tokens_per_minute INTEGER CHECK (tokens_per_minute > 0),
    monthly_nano INTEGER CHECK (monthly_nano >= 0),
    created_at REAL NOT NULL,
    expires_at REAL,
    revoked_at REAL
);

-- What a key is recognised by. After a rotation there are two for a while: `until` is when the old one ends.
CREATE TABLE key_secrets (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    name TEXT NOT NULL REFERENCES keys (name),
    prefix TEXT NOT NULL,
    created_at REAL NOT NULL,
    until REAL
);
CREATE INDEX key_secrets_of ON key_secrets (name);

-- What gateways have drawn of a key's budget in a month (UTC), such as 2026-12: spent, or still in their hands.
CREATE TABLE key_months (
    name TEXT NOT NULL REFERENCES keys (name),
    month TEXT NOT NULL,
    drawn_nano INTEGER NOT NULL,
    PRIMARY KEY (name, month)
);

-- Changes with every change of a key: who remembers keys looks at this first.
INSERT INTO facts (name, value) VALUES ('keys_version', '0');
