-- The requests that levers are replayed over, and their prompts.

-- name: replayable
-- Single requests in real time with a time and tokens; `place` is their place in the log. Vectors of one text are
-- alike, whatever of them is logged.
CREATE OR REPLACE VIEW replayable AS
SELECT id, {at} AS "at", coalesce(provider, '') AS provider, coalesce(model, '') AS model, lane, input, cached,
    coalesce(cache_write, 0) AS cache_write, coalesce(cache_write_1h, 0) AS cache_write_1h,
    coalesce(output, 0) AS output, {begins} AS begins, coalesce(prefix, prompt) AS key,
    prompt, CASE WHEN output = 0 AND regexp_matches(model, 'embed|voyage') THEN 0::UBIGINT ELSE answer END AS answer,
    coalesce(ok, true) AS ok, coalesce(prompt_bytes, 0) AS prompt_bytes, file, estimated
FROM grouped WHERE single AND {at} IS NOT NULL AND input IS NOT NULL AND id IN (SELECT id FROM kept)

-- name: live
SELECT count("at") > 0, count(*), coalesce(avg(prompt_bytes), 0) FROM replayable

-- name: models
SELECT DISTINCT model FROM replayable

-- name: all
CREATE OR REPLACE TABLE wanted AS SELECT 0 AS stretch, true AS counted, * FROM replayable

-- name: none
CREATE OR REPLACE TABLE wanted AS SELECT 0 AS stretch, true AS counted, * FROM replayable LIMIT 0

-- name: anchors
-- Where stretches begin: requests drawn by what they are, so that the order of lines changes nothing.
SELECT "at" FROM replayable ORDER BY hash("at", id, input, output, key), "at" LIMIT ?

-- name: stretch
INSERT INTO wanted
SELECT $stretch, true, * FROM (
    SELECT * FROM replayable WHERE "at" >= $begins ORDER BY "at", key, id, input, output LIMIT $counted
)
UNION ALL SELECT $stretch, false, * FROM (
    SELECT * FROM replayable WHERE "at" < $begins AND "at" >= $begins - $warm
    ORDER BY "at" DESC, key, id, input, output LIMIT $warming
)

-- name: warmed
-- How long stretches are warmed, in seconds, by those that could not be longer.
SELECT min(long) FROM (
    SELECT min("at") FILTER (counted) - min("at") AS long, count(*) FILTER (NOT counted) AS warming
    FROM wanted GROUP BY stretch
) WHERE warming >= ?

-- name: estimated
SELECT DISTINCT id, provider, model FROM wanted WHERE estimated

-- name: keys
SELECT DISTINCT key, model FROM wanted WHERE key IS NOT NULL

-- name: files
SELECT DISTINCT file FROM wanted WHERE key IS NOT NULL

-- name: sizes
SELECT key, input FROM wanted WHERE key IS NOT NULL AND key IS DISTINCT FROM prompt ORDER BY "at", key LIMIT ?

-- name: again
WITH read AS (
    SELECT * FROM ({rows}) UNION ALL BY NAME
    SELECT NULL::VARCHAR AS prompt_text, NULL::VARCHAR AS prompt_blocks WHERE false
),
keyed AS (SELECT hash(coalesce(prompt_blocks, prompt_text)) AS key, prompt_text, prompt_blocks FROM read)
SELECT key, prompt_text, prompt_blocks FROM keyed
WHERE (prompt_text IS NOT NULL OR prompt_blocks IS NOT NULL) AND key IN (SELECT key FROM wanted)

-- name: asked
SELECT stretch, counted, id, "at", provider, model, input, cached, cache_write, cache_write_1h, output, begins, key,
    prompt, answer, ok, coalesce(estimated, false)
FROM wanted ORDER BY stretch, "at", key, id, input, output
