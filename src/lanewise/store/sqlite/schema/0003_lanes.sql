-- Deadlines, decisions, and lanes that lanewise sends one by one.

-- What policy decided for requests alike, kept once; requests and batches name theirs by number.
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

-- `asked`: the deadline in the caller's words; `deadline`: the earliest of its requests, NULL for whenever.
ALTER TABLE runs ADD COLUMN asked TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN deadline REAL;
ALTER TABLE runs ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
-- Requests that get another's answer, being of the same content: how many of `requests`, and how many of
-- those have their final result. They are in no segment.
ALTER TABLE runs ADD COLUMN copies INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN copied INTEGER NOT NULL DEFAULT 0 CHECK (copied BETWEEN 0 AND copies);
-- When refusals were last asked about again: those of before count no more.
ALTER TABLE runs ADD COLUMN retried_at REAL;

ALTER TABLE segments ADD COLUMN deadline REAL;
ALTER TABLE segments ADD COLUMN decision INTEGER REFERENCES decisions (id);
-- How many of its requests belong to a prefix group: most segments have none, and are packed unread.
ALTER TABLE segments ADD COLUMN prefixes INTEGER NOT NULL DEFAULT 0;
-- How many copies its requests have: pairs of ordinal and count, NULL where there are none.
ALTER TABLE segments ADD COLUMN copies BLOB;

-- `rescued_at`: what it had not answered was given to another batch, and this one goes on: the first final
-- outcome of a request wins. `after_batch`: it waits for that one, which warms the prompt cache for it.
CREATE TABLE batches_of_3 (
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
    after_batch TEXT,
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
INSERT INTO batches_of_3 (rowid, id, key_id, account, lane, requests, bytes, created_at, state, step, due_at,
    troubles, attempt, file_id, sent_at, give_up_at, why, provider_id, expires_at, provisional, ending, files,
    settled_at, fence, cancel_asked_at, observed, charged_at)
SELECT rowid, id, key_id, account, lane, requests, bytes, created_at, state, step, due_at,
    troubles, attempt, file_id, sent_at, give_up_at, why, provider_id, expires_at, provisional, ending, files,
    settled_at, fence, cancel_asked_at, observed, charged_at
FROM batches;
DROP TABLE batches;
ALTER TABLE batches_of_3 RENAME TO batches;
CREATE INDEX batches_due ON batches (account, due_at) WHERE due_at IS NOT NULL;
-- A provider's batch belongs to one of ours. A provisional adoption may turn out wrong, so it may not block.
CREATE UNIQUE INDEX batches_owned ON batches (account, provider_id)
    WHERE provider_id IS NOT NULL AND provisional = 0;
CREATE INDEX batches_after ON batches (after_batch) WHERE after_batch IS NOT NULL;
