-- Prompts in pieces, for a replay of caches.

-- name: wanted
-- The latest requests in real time, so many and with so many bytes of text at the most.
CREATE OR REPLACE TABLE wanted AS
WITH latest AS (
    SELECT * FROM live WHERE "at" IS NOT NULL AND input IS NOT NULL AND provider IS NOT NULL AND model IS NOT NULL
    ORDER BY "at" DESC LIMIT $most
),
summed AS (
    SELECT *, sum(coalesce(prompt_bytes, 0)) OVER (ORDER BY "at" DESC ROWS UNBOUNDED PRECEDING) AS bytes FROM latest
)
SELECT * FROM summed WHERE bytes <= $bytes

-- name: files
SELECT DISTINCT file FROM wanted WHERE prompt IS NOT NULL

-- name: pieces
CREATE OR REPLACE TABLE pieces (prompt UBIGINT, size BIGINT, blocks UBIGINT[])

-- name: cut
INSERT INTO pieces
WITH read AS (
    SELECT prompt_text FROM (SELECT * FROM ({rows}) UNION ALL BY NAME SELECT NULL::VARCHAR AS prompt_text WHERE false)
    WHERE prompt_text IS NOT NULL
)
SELECT hash(prompt_text), length(prompt_text),
    list_transform(regexp_extract_all(prompt_text, '(?s).{' || {piece} || '}'), lambda piece: hash(piece))
FROM read WHERE hash(prompt_text) IN (SELECT prompt FROM wanted)

-- name: asked
WITH cut AS (SELECT prompt, any_value(size) AS size, any_value(blocks) AS blocks FROM pieces GROUP BY prompt)
SELECT wanted.id, wanted."at", provider, model, input, coalesce(cached, 0), coalesce(cache_write, 0),
    coalesce(cache_write_1h, 0), coalesce(output, 0), coalesce(first_token_seconds, seconds, 0),
    wanted.prompt, answer, coalesce(ok, true), coalesce(size, 0), blocks
FROM wanted LEFT JOIN cut USING (prompt) ORDER BY wanted."at", wanted.prompt, wanted.id, input, output

-- name: live_count
SELECT count(*) FROM grouped WHERE single
