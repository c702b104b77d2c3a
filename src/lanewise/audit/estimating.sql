-- Tokens for requests of which the log has only texts.

-- name: untold
SELECT coalesce(model, ''), count(*) FROM requests
WHERE input IS NULL AND output IS NULL AND prompt_bytes IS NOT NULL AND NOT aggregate GROUP BY ALL ORDER BY ALL

-- name: files
SELECT DISTINCT file FROM requests WHERE input IS NULL AND output IS NULL AND prompt_bytes IS NOT NULL

-- name: texts
WITH read AS (
    SELECT * FROM ({rows}) UNION ALL BY NAME SELECT NULL::VARCHAR AS model, NULL::VARCHAR AS prompt_text WHERE false
),
models AS (SELECT prompt, any_value(model) AS model FROM requests WHERE input IS NULL AND output IS NULL GROUP BY prompt)
SELECT coalesce(models.model, ''), any_value(prompt_text) FROM read JOIN models ON prompt = hash(prompt_text)
GROUP BY prompt, models.model ORDER BY prompt LIMIT ?

-- name: fill
UPDATE requests SET estimated = true, input = greatest(round(prompt_bytes / $bytes), 1)::BIGINT,
    output = round(coalesce(answer_bytes, 0) / $bytes)::BIGINT
WHERE input IS NULL AND output IS NULL AND prompt_bytes IS NOT NULL AND NOT aggregate AND coalesce(model, '') = $model
