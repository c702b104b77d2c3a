CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL
);

CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    batch_id TEXT NOT NULL REFERENCES batches (id),
    account TEXT NOT NULL,
    file_id TEXT,
    sent_at REAL NOT NULL,
    give_up_at REAL NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('open', 'accepted', 'refused', 'absent')),
    provider_id TEXT
);

CREATE TABLE awaited (
    subject TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    webhook TEXT NOT NULL REFERENCES webhooks (id),
    kind TEXT NOT NULL CHECK (kind IN ('request', 'response', 'batch', 'message_batch')),
    PRIMARY KEY (subject, sequence, webhook),
    CHECK ((sequence = -1) = (kind IN ('batch', 'message_batch')))
) WITHOUT ROWID;

CREATE INDEX awaited_by ON awaited (webhook);

CREATE TABLE batch_parts (
    batch_id TEXT NOT NULL REFERENCES batches (id),
    place INTEGER NOT NULL,
    segment_id TEXT NOT NULL REFERENCES segments (id),
    tries INTEGER NOT NULL,
    requests INTEGER NOT NULL CHECK (requests > 0),
    ordinals BLOB NOT NULL,
    PRIMARY KEY (batch_id, place)
);

CREATE TABLE "batches" (
    id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES packing_keys (id),
    account TEXT NOT NULL REFERENCES accounts (id),
    lane TEXT NOT NULL,
    requests INTEGER NOT NULL CHECK (requests > 0),
    bytes INTEGER NOT NULL,
    created_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN (
        'packed', 'sending', 'uploading', 'uploaded', 'creating', 'unknown', 'submitted',
        'ended', 'collected', 'settled', 'rejected', 'cancelled')),
    step INTEGER NOT NULL,
    due_at REAL,
    troubles INTEGER,
    attempt TEXT,
    file_id TEXT,
    sent_at REAL,
    give_up_at REAL,
    why TEXT,
    provider_id TEXT,
    expires_at REAL,
    provisional INTEGER,
    ending TEXT,
    files TEXT,
    settled_at REAL,
    fence INTEGER,
    cancel_asked_at REAL,
    observed TEXT,
    charged_at REAL,
    decision INTEGER REFERENCES decisions (id),
    deadline REAL,
    rescued_at REAL,
    done INTEGER,
    progress_at REAL,
    finalizing_since REAL,
    caching TEXT,
    after_batch TEXT, rate_tokens INTEGER NOT NULL DEFAULT 0,
    CHECK ((state IN ('creating', 'unknown')) = (give_up_at IS NOT NULL)),
    CHECK ((state IN ('creating', 'unknown')) = (sent_at IS NOT NULL)),
    CHECK (state <> 'uploaded' OR file_id IS NOT NULL),
    CHECK (state NOT IN ('submitted', 'ended') OR provider_id IS NOT NULL),
    CHECK (state IN ('submitted', 'ended', 'collected', 'settled') OR provider_id IS NULL),
    CHECK ((state IN ('ended', 'collected', 'settled')) = (ending IS NOT NULL)),
    CHECK ((state = 'settled') = (settled_at IS NOT NULL)),
    CHECK ((state = 'settled') = (fence IS NOT NULL)),
    CHECK (state IN ('packed', 'rejected', 'cancelled') OR attempt IS NOT NULL)
);

CREATE INDEX batches_after ON batches (after_batch) WHERE after_batch IS NOT NULL;

CREATE INDEX batches_due ON batches (account, due_at) WHERE due_at IS NOT NULL;

CREATE UNIQUE INDEX batches_owned ON batches (account, provider_id)
    WHERE provider_id IS NOT NULL AND provisional = 0;

CREATE TABLE claims (
    run_id TEXT NOT NULL REFERENCES runs (id),
    sequence INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT,
    content BLOB NOT NULL,
    at REAL NOT NULL, traceparent TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID;

CREATE INDEX claims_by_age ON claims (at);

CREATE INDEX claims_by_content ON claims (content, tenant);

CREATE UNIQUE INDEX claims_by_name ON claims (tenant, name) WHERE name IS NOT NULL;

CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    lane TEXT NOT NULL,
    wanted TEXT NOT NULL,
    lanes TEXT NOT NULL,
    rule TEXT NOT NULL,
    policy TEXT NOT NULL,
    why TEXT NOT NULL,
    held TEXT NOT NULL,
    caching INTEGER NOT NULL
);

CREATE TABLE disproved (
    batch_id TEXT NOT NULL REFERENCES batches (id),
    provider_id TEXT NOT NULL,
    PRIMARY KEY (batch_id, provider_id)
);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE INDEX events_of_subject ON events (subject, id);

CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE key_months (
    name TEXT NOT NULL REFERENCES keys (name),
    month TEXT NOT NULL,
    drawn_nano INTEGER NOT NULL,
    PRIMARY KEY (name, month)
);

CREATE TABLE key_secrets (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    name TEXT NOT NULL REFERENCES keys (name),
    prefix TEXT NOT NULL,
    created_at REAL NOT NULL,
    until REAL
);

CREATE INDEX key_secrets_of ON key_secrets (name);

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

CREATE TABLE learned (
    account TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (account, subject, name)
);

CREATE TABLE leases (
    account TEXT PRIMARY KEY,
    worker TEXT NOT NULL,
    until REAL NOT NULL,
    fence INTEGER NOT NULL
);

CREATE TABLE "ledger" (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    rule TEXT NOT NULL DEFAULT '',
    provider TEXT NOT NULL,
    account TEXT NOT NULL,
    model TEXT NOT NULL,
    lane TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('answer', 'waste', 'primer', 'correction', 'unknown_upper_bound')),
    tier INTEGER NOT NULL DEFAULT 0,
    n INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    cache_write_other INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    other_units TEXT NOT NULL,
    cost_nano INTEGER,
    baseline_nano INTEGER,
    waste_nano INTEGER NOT NULL,
    price_basis TEXT NOT NULL,
    price_status TEXT NOT NULL,
    price_id TEXT REFERENCES prices (id),
    baseline_price_id TEXT REFERENCES prices (id),
    provider_id TEXT,
    corrects INTEGER REFERENCES "ledger" (id),
    note TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL,
    charged_at REAL,
    CHECK ((price_status = 'unknown') = (cost_nano IS NULL)),
    CHECK ((kind = 'correction') = (corrects IS NOT NULL)),
    UNIQUE (commit_id, run_id, rule, model, lane, kind, tier, price_basis)
);

CREATE INDEX ledger_by_time ON ledger (at);

CREATE INDEX ledger_of_run ON ledger (run_id);

CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    webhook TEXT NOT NULL REFERENCES webhooks (id),
    body BLOB NOT NULL,
    created_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at REAL,
    given_up_at REAL,
    CHECK ((due_at IS NULL) = (given_up_at IS NOT NULL))
);

CREATE INDEX notices_due ON notices (webhook, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX notices_given_up ON notices (given_up_at) WHERE given_up_at IS NOT NULL;

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

CREATE TABLE outcomes (
    segment_id TEXT NOT NULL REFERENCES segments (id),
    place INTEGER NOT NULL,
    batch_id TEXT,
    verdict INTEGER NOT NULL,
    at REAL NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    requests INTEGER NOT NULL CHECK (requests > 0),
    ordinals BLOB NOT NULL,
    PRIMARY KEY (segment_id, place)
);

CREATE TABLE packing_keys (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    provider TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    headers TEXT NOT NULL
);

CREATE INDEX parts_of_segment ON batch_parts (segment_id);

CREATE TABLE pauses (
    scope TEXT PRIMARY KEY,
    at REAL NOT NULL
);

CREATE TABLE prices (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    lane TEXT NOT NULL,
    day TEXT NOT NULL,
    status TEXT NOT NULL,
    basis TEXT NOT NULL,
    rates TEXT NOT NULL
);

CREATE TABLE reserved_for_rules (
    run_id TEXT NOT NULL REFERENCES runs (id),
    rule TEXT NOT NULL,
    reserved_nano INTEGER NOT NULL CHECK (reserved_nano >= 0),
    PRIMARY KEY (run_id, rule)
);

CREATE TABLE responses (
    id TEXT PRIMARY KEY,      -- the provider's
    tenant TEXT NOT NULL,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX responses_by_age ON responses (at);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    digest TEXT NOT NULL,
    source TEXT NOT NULL,
    requests INTEGER NOT NULL CHECK (requests > 0),
    bytes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'cancelling', 'finished')),
    created_at REAL NOT NULL,
    finished_at REAL,
    answered INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    unanswered INTEGER NOT NULL DEFAULT 0,
    bodies_until REAL, tags TEXT NOT NULL DEFAULT '{}', reserved_nano INTEGER NOT NULL DEFAULT 0 CHECK (reserved_nano >= 0), asked TEXT NOT NULL DEFAULT '', deadline REAL, late INTEGER NOT NULL DEFAULT 0, copies INTEGER NOT NULL DEFAULT 0, copied INTEGER NOT NULL DEFAULT 0 CHECK (copied BETWEEN 0 AND copies), retried_at REAL,
    CHECK (answered + refused + unanswered <= requests),
    CHECK ((state = 'finished') = (finished_at IS NOT NULL)),
    CHECK (state <> 'finished' OR answered + refused + unanswered = requests)
);

CREATE INDEX runs_by_content ON runs (workflow, digest, created_at);

CREATE INDEX runs_not_finished ON runs (workflow) WHERE state <> 'finished';

CREATE TABLE segments (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (id),
    key_id TEXT NOT NULL REFERENCES packing_keys (id),
    requests INTEGER NOT NULL CHECK (requests > 0),
    bytes INTEGER NOT NULL,
    units INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sealed', 'deleted'))
, deadline REAL, decision INTEGER REFERENCES decisions (id), prefixes INTEGER NOT NULL DEFAULT 0, copies BLOB, rate_tokens INTEGER NOT NULL DEFAULT 0);

CREATE INDEX segments_of_run ON segments (run_id, first_sequence);

CREATE TABLE strays (
    account TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    batch_id TEXT NOT NULL REFERENCES batches (id),
    state TEXT NOT NULL CHECK (state IN ('found', 'cancelling', 'booked')),
    found_at REAL NOT NULL,
    due_at REAL,
    PRIMARY KEY (account, provider_id)
);

CREATE TABLE tenants_of_runs (
    run_id TEXT PRIMARY KEY REFERENCES runs (id),
    tenant TEXT NOT NULL
, key TEXT NOT NULL DEFAULT '') WITHOUT ROWID;

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

CREATE TABLE waiting (
    segment_id TEXT NOT NULL REFERENCES segments (id),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    not_before REAL NOT NULL,
    requests INTEGER NOT NULL CHECK (requests > 0),
    ordinals BLOB NOT NULL,
    PRIMARY KEY (segment_id, tries)
);

CREATE TABLE webhook_secrets (
    webhook TEXT NOT NULL REFERENCES webhooks (id),
    secret TEXT NOT NULL,
    created_at REAL NOT NULL,
    until REAL
);

CREATE INDEX webhook_secrets_of ON webhook_secrets (webhook);

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL CHECK (name <> ''),
    url TEXT NOT NULL,
    all_of_it INTEGER NOT NULL CHECK (all_of_it IN (0, 1)),
    created_at REAL NOT NULL,
    told_at REAL,
    disabled_at REAL,
    trouble TEXT NOT NULL DEFAULT '',
    UNIQUE (tenant, name)
);

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at REAL NOT NULL,
    seen_at REAL NOT NULL,
    accounts TEXT NOT NULL
);

