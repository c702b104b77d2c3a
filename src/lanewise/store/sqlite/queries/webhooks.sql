-- Webhooks, what they wait to be told, and the notices that are not told yet.

-- name: add
INSERT INTO webhooks (id, tenant, name, url, all_of_it, created_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, name) DO NOTHING

-- name: webhooks
SELECT * FROM webhooks WHERE ?1 IS NULL OR tenant = ?1 ORDER BY tenant, name

-- name: due_webhooks
SELECT * FROM webhooks w WHERE disabled_at IS NULL
    AND EXISTS (SELECT 1 FROM notices n WHERE n.webhook = w.id AND n.due_at <= ?) ORDER BY rowid

-- name: add_secret
INSERT INTO webhook_secrets (webhook, secret, created_at) VALUES (?, ?, ?)

-- name: secrets
SELECT * FROM webhook_secrets WHERE webhook = ? ORDER BY created_at DESC, rowid DESC

-- name: end_secrets
UPDATE webhook_secrets SET until = min(coalesce(until, ?2), ?2) WHERE webhook = ?1

-- name: drop_ended_secrets
DELETE FROM webhook_secrets WHERE webhook = ? AND until <= ?

-- name: drop_secrets
DELETE FROM webhook_secrets WHERE webhook = ?

-- name: drop
DELETE FROM webhooks WHERE id = ?

-- name: has_any
SELECT 1 FROM webhooks WHERE tenant = ? AND disabled_at IS NULL LIMIT 1

-- name: has_named
SELECT 1 FROM webhooks WHERE tenant = ? AND name = ? AND disabled_at IS NULL

-- name: await
INSERT INTO awaited (subject, sequence, webhook, kind)
SELECT ?1, ?2, id, ?3 FROM webhooks WHERE tenant = ?4 AND disabled_at IS NULL AND (all_of_it OR name = ?5)

-- name: is_awaited
SELECT 1 FROM awaited LIMIT 1

-- name: awaited
SELECT a.*, w.tenant FROM awaited a JOIN webhooks w ON w.id = a.webhook

-- name: awaited_since
-- CROSS JOIN keeps SQLite from reading all parts there ever were to find those of the newest events.
SELECT a.*, w.tenant FROM awaited a JOIN webhooks w ON w.id = a.webhook WHERE a.subject IN (
    SELECT e.subject FROM events e WHERE e.id > ?1
    UNION SELECT r.name FROM events e JOIN runs r ON r.id = e.subject WHERE e.id > ?1
    UNION SELECT s.run_id FROM events e CROSS JOIN batch_parts p ON p.batch_id = e.subject
        JOIN segments s ON s.id = p.segment_id
        WHERE e.id > ?1 AND e.kind IN ('batch.settled', 'batch.rejected', 'batch.cancelled'))

-- name: forget
DELETE FROM awaited WHERE subject = ? AND sequence = ? AND webhook = ?

-- name: forget_subject
DELETE FROM awaited WHERE subject = ?

-- name: forget_all
DELETE FROM awaited WHERE webhook = ?

-- name: add_notice
INSERT INTO notices (id, webhook, body, created_at, due_at)
SELECT ?1, id, ?3, ?4, ?4 FROM webhooks WHERE id = ?2 AND disabled_at IS NULL

-- name: due
SELECT * FROM notices WHERE webhook = ? AND due_at <= ? ORDER BY due_at, rowid LIMIT ?

-- name: claim
UPDATE notices SET tries = tries + 1, due_at = ? WHERE id = ?

-- name: next
SELECT min(due_at) AS due_at FROM notices
WHERE due_at IS NOT NULL AND webhook NOT IN (SELECT value FROM json_each(?))

-- name: told
UPDATE webhooks SET told_at = ?2, trouble = '' WHERE id = ?1

-- name: troubled
UPDATE webhooks SET trouble = ?2 WHERE id = ?1

-- name: taken
DELETE FROM notices WHERE id = ?

-- name: postpone
UPDATE notices SET due_at = ? WHERE id = ? AND tries = ? AND due_at IS NOT NULL

-- name: give_up
UPDATE notices SET due_at = NULL, given_up_at = ? WHERE id = ? AND tries = ? AND due_at IS NOT NULL

-- name: drop_given_up
DELETE FROM notices WHERE given_up_at < ?

-- name: drop_notices
DELETE FROM notices WHERE webhook = ?

-- name: disable
UPDATE webhooks SET disabled_at = ?2, trouble = ?3 WHERE id = ?1 AND disabled_at IS NULL

-- name: called
SELECT tenant, name FROM webhooks WHERE id = ?

-- name: pending
SELECT webhook, count(due_at) AS waiting, count(given_up_at) AS given_up FROM notices GROUP BY webhook
