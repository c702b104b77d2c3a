-- Responses that a provider keeps.

-- name: keep
INSERT INTO responses (id, tenant, at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING

-- name: owner
SELECT tenant FROM responses WHERE id = ?

-- name: drop_old
DELETE FROM responses WHERE at < ?
