-- What came of the work: results that no batch delivered, money, events.

-- name: add_ledger
INSERT INTO ledger (commit_id, run_id, workflow, rule, provider, account, model, lane, kind, tier, n,
    input, cache_read, cache_write_5m, cache_write_1h, cache_write_other, output, reasoning, other_units,
    cost_nano, baseline_nano, waste_nano, price_basis, price_status, price_id, baseline_price_id, provider_id,
    corrects, note, at, charged_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: keep_price
INSERT INTO prices (id, provider, model, lane, day, status, basis, rates)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING

-- name: prices
SELECT * FROM prices

-- name: next_outcome
SELECT coalesce(max(place), -1) + 1 FROM outcomes WHERE segment_id = ?

-- name: add_outcome
INSERT INTO outcomes (segment_id, place, batch_id, verdict, at, code, message, requests, ordinals)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: outcomes
SELECT * FROM outcomes WHERE segment_id = ? ORDER BY place

-- name: settled_parts
SELECT p.segment_id, p.ordinals, p.tries, p.place, b.id AS batch_id, b.fence, b.settled_at,
    (SELECT coalesce(sum(q.requests), 0) FROM batch_parts q WHERE q.batch_id = p.batch_id AND q.place < p.place)
        AS start
FROM batch_parts p JOIN batches b ON b.id = p.batch_id
WHERE p.segment_id = ? AND b.state = 'settled' ORDER BY b.settled_at, b.rowid

-- name: batches_of_segment
SELECT b.*, p.tries AS part_tries, p.ordinals,
    (SELECT coalesce(sum(q.requests), 0) FROM batch_parts q WHERE q.batch_id = p.batch_id AND q.place < p.place)
        AS start
FROM batch_parts p JOIN batches b ON b.id = p.batch_id WHERE p.segment_id = ? ORDER BY b.created_at, b.rowid

-- name: batches
SELECT b.*, k.provider, k.endpoint, k.model, k.headers,
    (SELECT r.workflow FROM batch_parts p JOIN segments s ON s.id = p.segment_id JOIN runs r ON r.id = s.run_id
    WHERE p.batch_id = b.id ORDER BY p.place LIMIT 1) AS workflow
FROM batches b
JOIN packing_keys k ON k.id = b.key_id ORDER BY b.created_at, b.rowid

-- name: batches_of_run
SELECT b.*, k.provider, k.endpoint, k.model, k.headers,
    (SELECT r.workflow FROM batch_parts p JOIN segments s ON s.id = p.segment_id JOIN runs r ON r.id = s.run_id
    WHERE p.batch_id = b.id ORDER BY p.place LIMIT 1) AS workflow
FROM batches b
JOIN packing_keys k ON k.id = b.key_id
WHERE b.id IN (SELECT p.batch_id FROM batch_parts p JOIN segments s ON s.id = p.segment_id WHERE s.run_id = ?)
ORDER BY b.created_at, b.rowid

-- name: batch
SELECT b.*, k.provider, k.endpoint, k.model, k.headers,
    (SELECT r.workflow FROM batch_parts p JOIN segments s ON s.id = p.segment_id JOIN runs r ON r.id = s.run_id
    WHERE p.batch_id = b.id ORDER BY p.place LIMIT 1) AS workflow
FROM batches b
JOIN packing_keys k ON k.id = b.key_id WHERE b.id = ?

-- name: ledger
SELECT * FROM ledger WHERE (?1 IS NULL OR run_id = ?1) AND (?2 IS NULL OR workflow = ?2) ORDER BY id

-- name: entries
SELECT l.*, coalesce(r.name, l.run_id) AS run_name, coalesce(r.tags, '{}') AS tags,
    json_extract(nullif(b.caching, ''), '$.ttl') IS NOT NULL AS marked
FROM ledger l LEFT JOIN runs r ON r.id = l.run_id LEFT JOIN ledger o ON o.id = l.corrects
LEFT JOIN batches b ON b.id = coalesce(o.commit_id, l.commit_id)
WHERE (?1 IS NULL OR l.at >= ?1) AND (?2 IS NULL OR l.at < ?2) ORDER BY l.id

-- name: settled_parts_of_workflow
SELECT p.segment_id, p.ordinals, s.run_id, b.id AS batch_id, b.fence, k.provider, k.model,
    (SELECT coalesce(sum(q.requests), 0) FROM batch_parts q WHERE q.batch_id = p.batch_id AND q.place < p.place)
        AS start
FROM batch_parts p JOIN batches b ON b.id = p.batch_id JOIN segments s ON s.id = p.segment_id
JOIN runs r ON r.id = s.run_id JOIN packing_keys k ON k.id = b.key_id
WHERE r.workflow = ? AND b.state = 'settled' AND s.state <> 'deleted' ORDER BY b.settled_at DESC, b.rowid DESC

-- name: marked_usage
SELECT coalesce(sum(l.n), 0) AS requests,
    coalesce(sum(CASE WHEN json_extract(b.caching, '$.ahead') THEN l.n ELSE 0 END), 0) AS primers,
    coalesce(sum(l.input), 0) AS input, coalesce(sum(l.cache_read), 0) AS cache_read,
    coalesce(sum(l.cache_write_5m), 0) AS cache_write_5m, coalesce(sum(l.cache_write_1h), 0) AS cache_write_1h,
    coalesce(sum(l.cache_write_other), 0) AS cache_write_other, coalesce(sum(l.output), 0) AS output,
    coalesce(sum(l.reasoning), 0) AS reasoning
FROM ledger l JOIN batches b ON b.id = l.commit_id
WHERE l.workflow = ? AND json_extract(nullif(b.caching, ''), '$.model') = ? AND l.at >= ? AND l.kind = 'answer'
    AND NOT EXISTS ( -- of a group that is not over, those that went ahead have only written
        SELECT 1 FROM batches f WHERE f.after_batch = coalesce(b.after_batch, b.id)
        AND f.state NOT IN ('settled', 'rejected', 'cancelled'))

-- name: spent
SELECT coalesce(sum(cost_nano), 0) FROM ledger WHERE at >= ?1 AND (?2 IS NULL OR workflow = ?2)

-- name: reserved
SELECT reserved_nano, requests - copies AS requests, answered + refused + unanswered - copied AS done FROM runs
WHERE state <> 'finished' AND reserved_nano > 0 AND (?1 IS NULL OR workflow = ?1) AND (?2 IS NULL
    OR EXISTS (SELECT 1 FROM tenants_of_runs t WHERE t.run_id = runs.id AND t.key = ?2))

-- name: spent_under
SELECT coalesce(sum(cost_nano), 0) FROM ledger WHERE at >= ?1 AND rule = ?2

-- name: reserve_for_rule
INSERT INTO reserved_for_rules (run_id, rule, reserved_nano) VALUES (?, ?, ?)

-- name: reserved_under
-- where nothing was reserved for the rule, having had no budget then: an even share of the run's
SELECT coalesce(h.reserved_nano, r.reserved_nano) AS reserved_nano,
    CASE WHEN h.rule IS NULL THEN r.requests - r.copies ELSE sum(s.requests) END AS requests,
    sum(min(s.requests,
        (SELECT coalesce(sum(w.requests), 0) FROM waiting w WHERE w.segment_id = s.id)
        + (SELECT coalesce(sum(p.requests), 0) FROM batch_parts p JOIN batches b ON b.id = p.batch_id
           WHERE p.segment_id = s.id AND b.state NOT IN ('settled', 'rejected', 'cancelled')))) AS remaining
FROM runs r JOIN segments s ON s.run_id = r.id LEFT JOIN decisions d ON d.id = s.decision
LEFT JOIN reserved_for_rules h ON h.run_id = r.id AND h.rule = ?1
WHERE r.state <> 'finished' AND r.reserved_nano > 0 AND coalesce(d.rule, '') = ?1 GROUP BY r.id

-- name: rules_of_run
SELECT DISTINCT coalesce(d.rule, '') AS rule FROM segments s LEFT JOIN decisions d ON d.id = s.decision
WHERE s.run_id = ? ORDER BY 1

-- name: add_event
INSERT INTO events (at, kind, subject, detail) VALUES (?, ?, ?, ?)

-- name: events
SELECT * FROM events WHERE id > ?1 AND (?2 IS NULL OR subject = ?2) ORDER BY id LIMIT ?3

-- name: segment
SELECT * FROM segments WHERE id = ?

-- name: waiting_of_segment
SELECT * FROM waiting WHERE segment_id = ?

-- name: run_ids
SELECT id FROM runs

-- name: batch_files
SELECT id, state, fence FROM batches

-- name: live_of_run
SELECT count(DISTINCT b.id) FROM batches b JOIN batch_parts p ON p.batch_id = b.id
JOIN segments s ON s.id = p.segment_id
WHERE s.run_id = ? AND b.state NOT IN ('settled', 'rejected', 'cancelled')

-- name: unneeded_batches
SELECT DISTINCT p.batch_id FROM batch_parts p JOIN segments s ON s.id = p.segment_id WHERE s.run_id = ?1
AND NOT EXISTS (SELECT 1 FROM batch_parts q JOIN segments t ON t.id = q.segment_id
                WHERE q.batch_id = p.batch_id AND t.state <> 'deleted')
