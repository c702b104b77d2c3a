-- Prices as they stood when something was booked with them; `rates` is pico-USD per token.
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

ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
-- What the requests of an open run may still cost; a budget counts it until they are settled.
ALTER TABLE runs ADD COLUMN reserved_nano INTEGER NOT NULL DEFAULT 0 CHECK (reserved_nano >= 0);

-- When the provider says that the batch ended: the day its invoice names.
ALTER TABLE batches ADD COLUMN charged_at REAL;

-- `tier`: the long-context limit that the requests of a row are above, so that a row has one price a meter.
-- `corrects`: the row that a correction changes; the row itself stays as it was written.
CREATE TABLE ledger_of_2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
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
    corrects INTEGER REFERENCES ledger_of_2 (id),
    note TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL,
    charged_at REAL,
    CHECK ((price_status = 'unknown') = (cost_nano IS NULL)),
    CHECK ((kind = 'correction') = (corrects IS NOT NULL)),
    UNIQUE (commit_id, run_id, model, lane, kind, tier, price_basis)
);
INSERT INTO ledger_of_2 (id, commit_id, run_id, workflow, provider, account, model, lane, kind, n, input,
    cache_read, cache_write_5m, cache_write_1h, cache_write_other, output, reasoning, other_units, cost_nano,
    baseline_nano, waste_nano, price_basis, price_status, provider_id, at)
SELECT l.id, l.commit_id, l.run_id, l.workflow, l.provider, l.account, l.model, l.lane, l.kind, l.n, l.input,
    l.cache_read, l.cache_write_5m, l.cache_write_1h, l.cache_write_other, l.output, l.reasoning, l.other_units,
    l.cost_nano, l.baseline_nano, l.waste_nano, l.price_basis, l.price_status,
    (SELECT b.provider_id FROM batches b WHERE b.id = l.commit_id), l.at
FROM ledger l ORDER BY l.id;
DROP TABLE ledger;
ALTER TABLE ledger_of_2 RENAME TO ledger;
CREATE INDEX ledger_of_run ON ledger (run_id);
CREATE INDEX ledger_by_time ON ledger (at);
