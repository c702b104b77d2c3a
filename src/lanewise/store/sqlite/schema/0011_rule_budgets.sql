-- A rule's budget is held against what was asked under the rule, whoever asked.

-- What the requests of a run that came under a rule with a budget may cost; `reserved_nano` of the run holds it too.
CREATE TABLE reserved_for_rules (
    run_id TEXT NOT NULL REFERENCES runs (id),
    rule TEXT NOT NULL,
    reserved_nano INTEGER NOT NULL CHECK (reserved_nano >= 0),
    PRIMARY KEY (run_id, rule)
);

-- `rule`: by its name, the policy's rule that these requests came under when they were accepted; '' for none.
CREATE TABLE ledger_of_11 (
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
    corrects INTEGER REFERENCES ledger_of_11 (id),
    note TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL,
    charged_at REAL,
    CHECK ((price_status = 'unknown') = (cost_nano IS NULL)),
    CHECK ((kind = 'correction') = (corrects IS NOT NULL)),
    UNIQUE (commit_id, run_id, rule, model, lane, kind, tier, price_basis)
);
INSERT INTO ledger_of_11 (id, commit_id, run_id, workflow, rule, provider, account, model, lane, kind, tier, n,
    input, cache_read, cache_write_5m, cache_write_1h, cache_write_other, output, reasoning, other_units,
    cost_nano, baseline_nano, waste_nano, price_basis, price_status, price_id, baseline_price_id, provider_id,
    corrects, note, at, charged_at)
SELECT l.id, l.commit_id, l.run_id, l.workflow, coalesce((
    SELECT d.rule FROM batch_parts p JOIN segments s ON s.id = p.segment_id JOIN decisions d ON d.id = s.decision
    WHERE p.batch_id = coalesce(o.commit_id, l.commit_id) AND s.run_id = l.run_id ORDER BY p.place LIMIT 1), ''),
    l.provider, l.account, l.model, l.lane, l.kind, l.tier, l.n,
    l.input, l.cache_read, l.cache_write_5m, l.cache_write_1h, l.cache_write_other, l.output, l.reasoning,
    l.other_units, l.cost_nano, l.baseline_nano, l.waste_nano, l.price_basis, l.price_status, l.price_id,
    l.baseline_price_id, l.provider_id, l.corrects, l.note, l.at, l.charged_at
FROM ledger l LEFT JOIN ledger o ON o.id = l.corrects ORDER BY l.id;
DROP TABLE ledger;
ALTER TABLE ledger_of_11 RENAME TO ledger;
CREATE INDEX ledger_of_run ON ledger (run_id);
CREATE INDEX ledger_by_time ON ledger (at);
