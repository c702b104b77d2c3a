-- The work that is open: who acts, what waits, which batches want a step.

-- name: accounts
SELECT * FROM accounts ORDER BY id

-- name: accounts_with_work
SELECT a.* FROM accounts a WHERE
    EXISTS (SELECT 1 FROM batches b WHERE b.account = a.id AND b.due_at IS NOT NULL)
    OR EXISTS (SELECT 1 FROM strays s WHERE s.account = a.id AND s.state <> 'booked')
    OR EXISTS (SELECT 1 FROM waiting w JOIN segments g ON g.id = w.segment_id
               JOIN packing_keys k ON k.id = g.key_id WHERE k.account = a.id)

-- name: lease
SELECT * FROM leases WHERE account = ?

-- name: take_lease
INSERT INTO leases (account, worker, until, fence) VALUES (?1, ?2, ?3, 1)
ON CONFLICT (account) DO UPDATE SET worker = ?2, until = ?3,
    fence = leases.fence + CASE WHEN leases.worker = ?2 AND leases.until > ?4 THEN 0 ELSE 1 END
RETURNING fence

-- name: release_lease
UPDATE leases SET until = 0 WHERE account = ? AND worker = ? AND fence = ?

-- name: holds_lease
SELECT 1 FROM leases WHERE account = ? AND worker = ? AND fence = ?

-- name: add_worker
INSERT INTO workers (id, host, pid, started_at, seen_at, accounts) VALUES (?, ?, ?, ?, ?, '[]')

-- name: seen_worker
UPDATE workers SET seen_at = ?, accounts = ? WHERE id = ?

-- name: drop_worker
DELETE FROM workers WHERE id = ?

-- name: workers
SELECT * FROM workers ORDER BY started_at

-- name: waiting
SELECT w.segment_id, w.tries, w.not_before, w.ordinals, s.run_id, s.deadline, s.decision, s.prefixes,
       r.workflow, r.created_at AS since,
       s.requests AS whole_requests, s.bytes AS whole_bytes, s.units AS whole_units,
       s.rate_tokens, k.*
FROM waiting w
JOIN segments s ON s.id = w.segment_id
JOIN runs r ON r.id = s.run_id
JOIN packing_keys k ON k.id = s.key_id
WHERE k.account = ? AND w.not_before <= ? AND r.state = 'open'
ORDER BY r.created_at, r.rowid, s.first_sequence, w.tries

-- name: waiting_row
SELECT * FROM waiting WHERE segment_id = ? AND tries = ?

-- name: drop_waiting
DELETE FROM waiting WHERE segment_id = ? AND tries = ?

-- name: put_waiting
INSERT INTO waiting (segment_id, tries, not_before, requests, ordinals) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (segment_id, tries) DO UPDATE SET
    not_before = max(waiting.not_before, ?3), requests = ?4, ordinals = ?5

-- name: add_batch
INSERT INTO batches (id, key_id, account, lane, requests, bytes, created_at, state, step, due_at, troubles,
    decision, deadline, caching, after_batch, rate_tokens)
VALUES (?, ?, ?, ?, ?, ?, ?, 'packed', 0, ?, 0, ?, ?, ?, ?, ?)

-- name: add_part
INSERT INTO batch_parts (batch_id, place, segment_id, tries, requests, ordinals) VALUES (?, ?, ?, ?, ?, ?)

-- name: segment_load
SELECT requests, rate_tokens FROM segments WHERE id = ?

-- name: due
SELECT * FROM batches WHERE account = ? AND due_at <= ? ORDER BY due_at

-- name: next_due
SELECT id, due_at FROM batches WHERE account = ? AND due_at IS NOT NULL ORDER BY due_at

-- name: next_waiting
SELECT min(w.not_before) FROM waiting w JOIN segments s ON s.id = w.segment_id
JOIN runs r ON r.id = s.run_id JOIN packing_keys k ON k.id = s.key_id
WHERE k.account = ? AND r.state = 'open' AND w.not_before > ?

-- name: unresolved
SELECT count(*) FROM batches WHERE account = ? AND state IN ('creating', 'unknown')

-- name: in_flight_bytes
SELECT coalesce(sum(b.bytes), 0) FROM batches b JOIN packing_keys k ON k.id = b.key_id
WHERE b.account = ? AND k.model = ? AND b.state IN ('creating', 'unknown', 'submitted')

-- name: contents
SELECT b.lane, b.requests AS batch_requests, b.bytes, b.created_at, b.cancel_asked_at, b.deadline,
    b.rescued_at, b.caching, b.after_batch, k.*
FROM batches b JOIN packing_keys k ON k.id = b.key_id WHERE b.id = ?

-- name: parts
SELECT p.*, s.run_id, r.workflow, r.state AS run_state, coalesce(d.rule, '') AS rule FROM batch_parts p
JOIN segments s ON s.id = p.segment_id JOIN runs r ON r.id = s.run_id LEFT JOIN decisions d ON d.id = s.decision
WHERE p.batch_id = ? ORDER BY p.place

-- name: advance
UPDATE batches SET state = :state, step = :step, due_at = :due_at, troubles = :troubles,
    attempt = :attempt, file_id = :file_id, sent_at = :sent_at, give_up_at = :give_up_at, why = :why,
    provider_id = :provider_id, expires_at = :expires_at, provisional = :provisional,
    ending = :ending, files = :files, settled_at = :settled_at, fence = coalesce(:fence, fence)
WHERE id = :id AND state = :before_state AND step = :before_step

-- name: ask_cancel
UPDATE batches SET cancel_asked_at = ?1, due_at = min(due_at, ?1)
WHERE state IN ('uploading', 'uploaded', 'creating', 'unknown', 'submitted') AND cancel_asked_at IS NULL
AND id IN (SELECT p.batch_id FROM batch_parts p JOIN segments s ON s.id = p.segment_id WHERE s.run_id = ?2)
AND NOT EXISTS (
    SELECT 1 FROM batch_parts p JOIN segments s ON s.id = p.segment_id JOIN runs r ON r.id = s.run_id
    WHERE p.batch_id = batches.id AND r.state <> 'cancelling')

-- name: live
SELECT b.*, k.provider, k.endpoint, k.model, k.headers,
    (SELECT r.workflow FROM batch_parts p JOIN segments s ON s.id = p.segment_id JOIN runs r ON r.id = s.run_id
    WHERE p.batch_id = b.id ORDER BY p.place LIMIT 1) AS workflow
FROM batches b JOIN packing_keys k ON k.id = b.key_id
WHERE b.account = ? AND b.due_at IS NOT NULL AND b.state <> 'settled' ORDER BY b.created_at, b.rowid

-- name: withdraw
UPDATE batches SET cancel_asked_at = ?1, due_at = min(due_at, ?1)
WHERE id = ?2 AND cancel_asked_at IS NULL AND state IN ('submitted', 'sending')

-- name: rescue
UPDATE batches SET rescued_at = ? WHERE id = ? AND rescued_at IS NULL
AND state IN ('sending', 'creating', 'unknown', 'submitted', 'ended')

-- name: raced
SELECT 1 FROM batch_parts p JOIN batches b ON b.id = p.batch_id
WHERE p.segment_id = ? AND b.rescued_at IS NOT NULL LIMIT 1

-- name: live_parts
SELECT p.ordinals, b.rescued_at FROM batch_parts p JOIN batches b ON b.id = p.batch_id
WHERE p.segment_id = ? AND p.batch_id <> ? AND b.state NOT IN ('settled', 'rejected', 'cancelled')

-- name: retried_at
SELECT r.retried_at FROM runs r JOIN segments s ON s.run_id = r.id WHERE s.id = ?

-- name: landed_at
SELECT min(coalesce(b.charged_at, b.settled_at), b.settled_at) AS landed_at -- the provider's clock may be ahead
FROM batches b WHERE b.id = ? AND b.state = 'settled' AND EXISTS (
    SELECT 1 FROM ledger l WHERE l.commit_id = b.id
    AND l.cache_read + l.cache_write_5m + l.cache_write_1h + l.cache_write_other > 0)

-- name: warmed
SELECT b.id, b.caching, min(coalesce(b.charged_at, b.settled_at), b.settled_at) AS landed_at
FROM batches b WHERE b.account = ? AND b.lane = ? AND b.state = 'settled' AND b.settled_at >= ? AND b.caching <> ''
AND EXISTS (
    SELECT 1 FROM ledger l WHERE l.commit_id = b.id
    AND l.cache_read + l.cache_write_5m + l.cache_write_1h + l.cache_write_other > 0)

-- name: unmark
UPDATE batches SET caching = '' WHERE id = ?

-- name: progress
SELECT done, progress_at, finalizing_since FROM batches WHERE id = ?

-- name: progressed
UPDATE batches SET done = ?, progress_at = ?, finalizing_since = ? WHERE id = ?

-- name: let_go
UPDATE batches SET due_at = ?1 WHERE after_batch = ?2 AND state = 'packed' AND due_at > ?1

-- name: add_attempt
INSERT INTO attempts (id, batch_id, account, file_id, sent_at, give_up_at, outcome)
VALUES (?, ?, ?, ?, ?, ?, 'open')
ON CONFLICT (id) DO UPDATE SET -- the provider refused it before: it is sent once more
    sent_at = excluded.sent_at, give_up_at = excluded.give_up_at, outcome = 'open'

-- name: attempt_outcome
UPDATE attempts SET outcome = ?, provider_id = coalesce(?, provider_id) WHERE id = ?

-- name: attempts
SELECT * FROM attempts WHERE account = ? AND sent_at >= ? ORDER BY sent_at

-- name: attempt
SELECT * FROM attempts WHERE id = ?

-- name: held_ids
SELECT provider_id, provisional FROM batches
WHERE account = ? AND id <> ? AND provider_id IS NOT NULL

-- name: stray_ids
SELECT provider_id FROM strays WHERE account = ?

-- name: known_ids
SELECT provider_id FROM batches WHERE account = ?1 AND provider_id IS NOT NULL
UNION SELECT provider_id FROM strays WHERE account = ?1

-- name: disprove
INSERT INTO disproved (batch_id, provider_id) VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: disproved
SELECT provider_id FROM disproved WHERE batch_id = ?

-- name: add_stray
INSERT INTO strays (account, provider_id, batch_id, state, found_at, due_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- name: strays
SELECT * FROM strays WHERE account = ? AND state <> 'booked'

-- name: update_stray
UPDATE strays SET state = ?, due_at = ? WHERE account = ? AND provider_id = ?

-- name: learn
INSERT INTO learned (account, subject, name, value, at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (account, subject, name) DO UPDATE SET value = ?4, at = ?5

-- name: learned
SELECT subject, name, value, at FROM learned WHERE account = ? ORDER BY subject, name

-- name: queued_since
SELECT coalesce(sum(b.bytes), 0) AS bytes, coalesce(sum(b.requests), 0) AS requests
FROM batches b JOIN packing_keys k ON k.id = b.key_id
WHERE b.account = ?1 AND ?2 IN (k.model, '*') AND b.lane = 'batch' AND b.id <> ?3
AND (b.state IN ('creating', 'unknown', 'submitted', 'ended', 'collected') OR b.settled_at >= ?4)

-- name: served_since
SELECT (SELECT r.workflow FROM batch_parts p JOIN segments s ON s.id = p.segment_id
    JOIN runs r ON r.id = s.run_id WHERE p.batch_id = b.id ORDER BY p.place LIMIT 1) AS workflow,
    sum(b.bytes) AS bytes
FROM batches b
WHERE b.account = ? AND b.lane = 'batch' AND (b.state IN ('ended', 'collected') OR b.settled_at >= ?) GROUP BY 1

-- name: stored_bytes
SELECT coalesce(sum(bytes), 0) FROM batches
WHERE account = ? AND due_at IS NOT NULL AND file_id IS NOT NULL

-- name: observe
UPDATE batches SET observed = ?, charged_at = ? WHERE id = ?

-- name: observed
SELECT observed, charged_at FROM batches WHERE id = ?

-- name: pause
INSERT INTO pauses (scope, at) VALUES (?, ?) ON CONFLICT (scope) DO NOTHING

-- name: resume
DELETE FROM pauses WHERE scope = ?

-- name: paused
SELECT scope FROM pauses
