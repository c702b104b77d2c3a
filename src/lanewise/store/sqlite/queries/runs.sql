-- Runs: accepted whole, found again, finished.

-- name: add_account
INSERT INTO accounts (id, provider, base_url) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING

-- name: add_key
INSERT INTO packing_keys (id, account, provider, endpoint, model, headers)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING

-- name: add_run
INSERT INTO runs (id, name, workflow, digest, source, requests, bytes, state, created_at, tags, reserved_nano,
    asked, deadline, copies)
VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?)

-- name: add_segment
INSERT INTO segments (id, run_id, key_id, requests, bytes, units, first_sequence, state, deadline, decision,
    prefixes, copies, rate_tokens)
VALUES (?, ?, ?, ?, ?, ?, ?, 'sealed', ?, ?, ?, ?, ?)

-- name: add_decision
INSERT INTO decisions (key, lane, wanted, lanes, rule, policy, why, held, caching)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO NOTHING

-- name: decision_number
SELECT id FROM decisions WHERE key = ?

-- name: decisions
SELECT * FROM decisions

-- name: run_named
SELECT * FROM runs WHERE name = ?1 OR id = ?1

-- name: run_like
SELECT * FROM runs WHERE workflow = ? AND digest = ? ORDER BY created_at DESC, rowid DESC LIMIT 1

-- name: accounts_of
SELECT DISTINCT a.* FROM accounts a JOIN packing_keys k ON k.account = a.id
JOIN segments s ON s.key_id = k.id WHERE s.run_id = ?

-- name: runs
SELECT * FROM runs ORDER BY created_at DESC, rowid DESC LIMIT ?

-- name: open_runs
SELECT * FROM runs WHERE state <> 'finished' ORDER BY created_at DESC, rowid DESC LIMIT ?

-- name: run
SELECT * FROM runs WHERE id = ?

-- name: count
UPDATE runs SET answered = answered + ?, refused = refused + ?, unanswered = unanswered + ?, copied = copied + ?,
    late = late + ?
WHERE id = ?

-- name: finish
UPDATE runs SET state = 'finished', finished_at = ?
WHERE id = ? AND state <> 'finished' AND answered + refused + unanswered = requests

-- name: cancelling
UPDATE runs SET state = 'cancelling' WHERE id = ? AND state = 'open'

-- name: reopen
UPDATE runs SET state = 'open', finished_at = NULL, refused = refused - ?, unanswered = unanswered - ?,
    copied = copied - ?
WHERE id = ?

-- name: retried
UPDATE runs SET retried_at = max(?1, coalesce((
    SELECT max(b.settled_at) FROM batches b JOIN batch_parts p ON p.batch_id = b.id
    JOIN segments s ON s.id = p.segment_id WHERE s.run_id = ?2), 0)) WHERE id = ?2

-- name: waiting_of_run
SELECT w.* FROM waiting w JOIN segments s ON s.id = w.segment_id WHERE s.run_id = ?

-- name: clear_waiting_of_run
DELETE FROM waiting WHERE segment_id IN (SELECT id FROM segments WHERE run_id = ?)

-- name: packed_only_of_cancelled
SELECT b.* FROM batches b WHERE b.state = 'packed' AND NOT EXISTS (
    SELECT 1 FROM batch_parts p JOIN segments s ON s.id = p.segment_id JOIN runs r ON r.id = s.run_id
    WHERE p.batch_id = b.id AND r.state <> 'cancelling')

-- name: outcomes_of_run
SELECT o.* FROM outcomes o JOIN segments s ON s.id = o.segment_id WHERE s.run_id = ?

-- name: delete_outcome
DELETE FROM outcomes WHERE segment_id = ? AND place = ?

-- name: segments_of_run
SELECT * FROM segments WHERE run_id = ? ORDER BY first_sequence

-- name: segments_deleted
UPDATE segments SET state = 'deleted' WHERE run_id = ?

-- name: workflows
SELECT DISTINCT workflow FROM runs ORDER BY workflow
