-- A few texts of each workflow and model, read from the logs again.

-- name: looked
-- Of which workflows and models, and in which files.
CREATE OR REPLACE TABLE looked (id UBIGINT, provider VARCHAR, model VARCHAR);
CREATE OR REPLACE TABLE readable (file VARCHAR)

-- name: sampled
-- Requests drawn by a hash, the same on every run, with so many bytes of text at the most.
CREATE OR REPLACE TABLE sampled AS
WITH single AS (
    SELECT id, provider, model, {
        rank: hash(prompt, "at", session), "at": coalesce("at", 0), prompt: prompt, input: input, template: template,
        bytes: prompt_bytes, file: file
    } AS one
    FROM grouped JOIN looked USING (id, provider, model) JOIN readable USING (file)
    WHERE NOT aggregate AND lane IN ('realtime', 'priority') AND input > 0 AND prompt IS NOT NULL
        AND prompt_bytes <= $bytes
),
drawn AS (SELECT id, provider, model, arg_min(one, one.rank, $most) AS ones FROM single GROUP BY ALL),
apart AS (SELECT id, provider, model, unnest(ones) AS one FROM drawn)
SELECT id, provider, model, unnest(one) FROM apart
QUALIFY sum(one.bytes) OVER (PARTITION BY id, provider, model ORDER BY one.rank, one.prompt ROWS UNBOUNDED PRECEDING) <= $bytes

-- name: shortest
-- The shortest prompts of each group: what asks nothing is among them.
CREATE OR REPLACE TABLE shortest AS
WITH prompts AS (
    SELECT id, prompt, any_value(prompt_bytes) AS bytes, any_value(file) AS file
    FROM grouped JOIN readable USING (file)
    WHERE NOT aggregate AND lane <> 'cache' AND prompt IS NOT NULL AND id IN (SELECT id FROM kept) GROUP BY ALL
),
drawn AS (
    SELECT arg_min({prompt: prompt, file: file}, (bytes, prompt), $most) AS ones FROM prompts WHERE bytes <= $bytes GROUP BY id
)
SELECT unnest(ones, recursive := true) FROM drawn

-- name: sought
CREATE OR REPLACE TABLE sought AS
SELECT prompt, any_value(file) AS file FROM (SELECT prompt, file FROM sampled UNION ALL FROM shortest) GROUP BY prompt

-- name: files
SELECT DISTINCT file FROM sought

-- name: texts
SELECT hash(prompt_text) AS prompt, any_value(prompt_text)
FROM (SELECT * FROM ({rows}) UNION ALL BY NAME SELECT NULL::VARCHAR AS prompt_text WHERE false)
WHERE prompt_text IS NOT NULL AND hash(prompt_text) IN (SELECT prompt FROM sought) GROUP BY ALL

-- name: drawn
SELECT id, provider, model, prompt, input FROM sampled ORDER BY id, provider, model, template, "at", rank, prompt

-- name: short
SELECT DISTINCT prompt FROM shortest
