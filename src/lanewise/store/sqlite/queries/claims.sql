-- Requests that came in over HTTP: whose they are, and which of them a repeated call means.

-- name: add_tenant
INSERT INTO tenants_of_runs (run_id, tenant, key) VALUES (?, ?, ?)

-- name: tenant_of
SELECT tenant FROM tenants_of_runs WHERE run_id = ?

-- name: add_claim
INSERT INTO claims (run_id, sequence, tenant, name, content, at, traceparent)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: drop_claims
DELETE FROM claims WHERE at < ?

-- name: by_name
SELECT * FROM claims WHERE tenant = ? AND name = ? AND at >= ?

-- name: by_content
SELECT * FROM claims WHERE tenant = ? AND content = ? AND at >= ? ORDER BY at DESC, run_id, sequence DESC LIMIT ?

-- name: origin
SELECT traceparent, at FROM claims WHERE run_id = ? AND sequence = ?

-- name: newest_event
SELECT coalesce(max(id), 0) FROM events

-- name: shrink_waiting
UPDATE waiting SET requests = ?, ordinals = ? WHERE segment_id = ? AND tries = ?

-- name: drop_waiting
DELETE FROM waiting WHERE segment_id = ? AND tries = ?

-- name: forget_claims
DELETE FROM claims WHERE run_id = ?
