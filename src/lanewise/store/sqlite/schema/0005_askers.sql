-- Requests that came in over HTTP: whose they are, and by what a repeated call finds the one it made.

-- Only the tenant of a run reads it, cancels it or learns of it over HTTP. Runs of the command line have none.
CREATE TABLE tenants_of_runs (
    run_id TEXT PRIMARY KEY REFERENCES runs (id),
    tenant TEXT NOT NULL
) WITHOUT ROWID;

-- `name`: the idempotency key that the caller gave, NULL where none; `content`: what was asked, as a digest.
CREATE TABLE claims (
    run_id TEXT NOT NULL REFERENCES runs (id),
    sequence INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT,
    content BLOB NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID;
CREATE UNIQUE INDEX claims_by_name ON claims (tenant, name) WHERE name IS NOT NULL;
CREATE INDEX claims_by_content ON claims (content, tenant);
CREATE INDEX claims_by_age ON claims (at);
