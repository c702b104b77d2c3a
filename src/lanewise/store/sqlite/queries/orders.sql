-- Files and batches that tenants handed in over HTTP.

-- name: add_upload
INSERT INTO uploads (id, tenant, name, bytes, created_at, expires_at, trouble) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: upload
SELECT * FROM uploads WHERE tenant = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)

-- name: uploads
SELECT * FROM uploads WHERE tenant = ?1 AND (expires_at IS NULL OR expires_at > ?2)
    AND (?3 IS NULL OR rowid < (SELECT rowid FROM uploads WHERE tenant = ?1 AND id = ?3))
ORDER BY rowid DESC LIMIT ?4

-- name: expired_uploads
SELECT id FROM uploads WHERE expires_at <= ? AND NOT EXISTS (
    SELECT 1 FROM orders o WHERE o.upload = uploads.id AND o.state = 'validating')

-- name: drop_upload
DELETE FROM uploads WHERE id = ?

-- name: add_order
INSERT INTO orders (id, tenant, key, upload, endpoint, window, workflow, deadline, models, metadata, content,
    created_at, state, decided_at, cancel_at, errors)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'validating', NULL, NULL, '[]')

-- name: order
SELECT * FROM orders WHERE tenant = ? AND id = ?

-- name: orders
SELECT * FROM orders WHERE tenant = ?1 AND id >= ?2 AND id < ?2 || '~'
    AND (?3 IS NULL OR rowid < (SELECT rowid FROM orders WHERE tenant = ?1 AND id = ?3))
ORDER BY rowid DESC LIMIT ?4

-- name: drop_order
DELETE FROM orders WHERE id = ? AND state <> 'validating'

-- name: order_like
SELECT * FROM orders WHERE tenant = ? AND content = ? AND created_at >= ? ORDER BY rowid DESC LIMIT 1

-- name: validating
SELECT * FROM orders WHERE state = 'validating' ORDER BY rowid

-- name: decide_order
UPDATE orders SET state = ?, decided_at = ?, errors = ? WHERE id = ? AND state = 'validating'

-- name: cancel_order
UPDATE orders SET cancel_at = coalesce(cancel_at, ?) WHERE id = ?

-- name: upload_ids
SELECT id FROM uploads UNION SELECT upload FROM orders WHERE state = 'validating'
