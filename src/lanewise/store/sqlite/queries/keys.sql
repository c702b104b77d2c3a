-- Virtual keys, what they are recognised by, and what was drawn of their budgets.

-- name: add_key
INSERT INTO keys (name, admin, owner, workflow, models, lanes, endpoints, deadline, requests_per_minute,
    tokens_per_minute, monthly_nano, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING

-- name: keys
SELECT * FROM keys ORDER BY created_at, rowid

-- name: add_secret
INSERT INTO key_secrets (hash, name, prefix, created_at) VALUES (?, ?, ?, ?)

-- name: secrets
SELECT * FROM key_secrets ORDER BY created_at DESC, rowid DESC

-- name: end_secrets
UPDATE key_secrets SET until = min(coalesce(until, ?2), ?2) WHERE name = ?1

-- name: drop_ended_secrets
DELETE FROM key_secrets WHERE name = ? AND until <= ?

-- name: revoke
UPDATE keys SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL

-- name: usable
SELECT 1 FROM keys WHERE name = ?1 AND revoked_at IS NULL AND coalesce(expires_at > ?2, 1)

-- name: version
SELECT value FROM facts WHERE name = 'keys_version'

-- name: changed
UPDATE facts SET value = value + 1 WHERE name = 'keys_version'

-- name: left_of_month
SELECT k.monthly_nano - coalesce(m.drawn_nano, 0) AS left_nano FROM keys k
LEFT JOIN key_months m ON m.name = k.name AND m.month = ?2 WHERE k.name = ?1 AND k.monthly_nano IS NOT NULL

-- name: drawn_of_key
SELECT coalesce(sum(drawn_nano), 0) FROM key_months WHERE name = ? AND month = ?

-- name: keys_with_open_runs
SELECT DISTINCT t.key FROM runs r JOIN tenants_of_runs t ON t.run_id = r.id
WHERE r.state <> 'finished' AND r.reserved_nano > 0 AND t.key <> ''

-- name: charge
-- what is booked for a run of a key with a budget; where its price is unknown, what was reserved for it
INSERT INTO key_months (name, month, drawn_nano)
SELECT k.name, ?2, coalesce(?3, ?4 * ((r.reserved_nano + r.requests - r.copies - 1) / (r.requests - r.copies)))
FROM tenants_of_runs t JOIN keys k ON k.name = t.key JOIN runs r ON r.id = t.run_id
WHERE t.run_id = ?1 AND k.monthly_nano IS NOT NULL
ON CONFLICT (name, month) DO UPDATE SET drawn_nano = drawn_nano + excluded.drawn_nano

-- name: draw
INSERT INTO key_months (name, month, drawn_nano) VALUES (?1, ?2, ?3)
ON CONFLICT (name, month) DO UPDATE SET drawn_nano = drawn_nano + ?3

-- name: drawn
SELECT name, drawn_nano FROM key_months WHERE month = ?
