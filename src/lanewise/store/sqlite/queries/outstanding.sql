-- What is read often, for metrics: of what is open, and of the ledger what is new.

-- name: waiting
SELECT coalesce(d.lane, '') AS lane, sum(w.requests) AS requests, min(r.created_at) AS oldest,
    min(CASE WHEN s.deadline > :at_once THEN s.deadline END) AS deadline
FROM waiting w JOIN segments s ON s.id = w.segment_id JOIN runs r ON r.id = s.run_id
LEFT JOIN decisions d ON d.id = s.decision GROUP BY 1

-- name: batches
SELECT state, lane, count(*) AS batches, sum(requests) AS requests,
    min(CASE WHEN deadline > :at_once THEN deadline END) AS deadline
FROM batches WHERE state NOT IN ('settled', 'rejected', 'cancelled') GROUP BY state, lane

-- name: spent
SELECT lane, sum(CASE WHEN kind IN ('answer', 'correction') THEN n ELSE 0 END) AS answers,
    sum(coalesce(cost_nano, 0)) AS cost_nano,
    sum(CASE WHEN cost_nano IS NULL THEN 0 ELSE coalesce(baseline_nano, 0) END) AS baseline_nano,
    sum(CASE WHEN cost_nano IS NULL THEN 0 ELSE waste_nano END) AS waste_nano, max(id) AS last
FROM ledger WHERE id > ? GROUP BY lane
