-- Webhooks: addresses that are told when what can wait has ended.

-- Tenants name theirs; '' is the tenant of an open gateway. `all_of_it`: it is told of everything of the tenant's.
-- `trouble`: what went wrong last, '' where the last notice was taken. A disabled one is told nothing.
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

-- What notices are signed with. A signature takes the secret itself, so unlike keys it is kept as it is.
-- After a rotation there are two for a while: `until` is when the old one ends.
CREATE TABLE webhook_secrets (
    webhook TEXT NOT NULL REFERENCES webhooks (id),
    secret TEXT NOT NULL,
    created_at REAL NOT NULL,
    until REAL
);
CREATE INDEX webhook_secrets_of ON webhook_secrets (webhook);

-- Whose end a webhook is to be told: written with what is asked, and taken out by the commit that makes a notice of
-- it. `subject`: a run, with the place of a request in it; or an order, with -1.
CREATE TABLE awaited (
    subject TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    webhook TEXT NOT NULL REFERENCES webhooks (id),
    kind TEXT NOT NULL CHECK (kind IN ('request', 'response', 'batch', 'message_batch')),
    PRIMARY KEY (subject, sequence, webhook),
    CHECK ((sequence = -1) = (kind IN ('batch', 'message_batch')))
) WITHOUT ROWID;
CREATE INDEX awaited_by ON awaited (webhook);

-- What a webhook is told, until it has it. Whoever tells counts `tries` up and puts `due_at` off, both in one step:
-- nobody else makes the same try, and a try whose maker died is made again. Given up: kept for people to see.
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
