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

-- Files that a tenant handed in; their bytes are in `uploads/` of the home. `trouble`: why it holds no requests.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL,
    trouble TEXT NOT NULL
);
CREATE INDEX uploads_of_tenant ON uploads (tenant);

-- What a tenant ordered as a batch. It becomes the run of its name; until then it is validating.
CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    upload TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    window TEXT NOT NULL,
    workflow TEXT NOT NULL,
    deadline TEXT NOT NULL,
    models TEXT NOT NULL,
    metadata TEXT NOT NULL,
    content BLOB NOT NULL,
    created_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('validating', 'accepted', 'failed', 'cancelled')),
    decided_at REAL,
    cancel_at REAL,
    errors TEXT NOT NULL,
    CHECK ((state = 'validating') = (decided_at IS NULL))
);
CREATE INDEX orders_of_tenant ON orders (tenant);
