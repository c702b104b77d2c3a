-- The same prompt again, over all requests; needs `grouped`, `kept`, `rates` and `empty`.

-- name: empty
-- Prompts that ask nothing.
CREATE OR REPLACE TABLE empty (prompt UBIGINT)

-- name: found
-- What need not have been asked, or not in vain: `alike` and `other` were answered before, and are answered as then
-- or not; `failed` were asked again at once, `empty` ask nothing. What the gateway's own cache answered is no request.
CREATE OR REPLACE TABLE repeated AS
WITH again AS (  -- few of many: the others need not be put in order
    SELECT id, prompt FROM grouped WHERE NOT aggregate AND lane <> 'cache' AND prompt IS NOT NULL
    GROUP BY id, prompt HAVING count(*) > 1
    UNION SELECT id, prompt FROM grouped SEMI JOIN empty USING (prompt)
),
asked AS (
    SELECT id, provider, model, CASE WHEN lane = 'priority' THEN 'realtime' ELSE lane END AS lane, prompt, answer, "at",
        coalesce(ok, true) AS ok, input, cached, cache_write, cache_write_1h, output, seconds, coalesce(n, 1) AS n,
        prompt IN (SELECT prompt FROM empty) AS empty,
        output = 0 AND regexp_matches(model, 'embed|voyage') AS vectors
    FROM grouped SEMI JOIN again USING (id, prompt)
    WHERE NOT aggregate AND lane <> 'cache' AND id IN (SELECT id FROM kept)
),
told AS (
    SELECT *, count(*) FILTER (ok) OVER before > 0 AS answered,
        first_value(CASE WHEN ok THEN answer END IGNORE NULLS) OVER before AS first_answer,
        "at" - lag("at") OVER same AS gap, lead("at") OVER same - "at" AS again
    FROM asked
    WINDOW same AS (PARTITION BY id, provider, model, prompt ORDER BY "at", ok, answer, input, output, seconds),
        before AS (same ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
sorted AS (
    SELECT *, CASE WHEN empty THEN 'empty' WHEN answered AND (vectors OR answer = first_answer) THEN 'alike'
        WHEN answered THEN 'other' WHEN NOT ok AND again <= $retry THEN 'failed' END AS kind
    FROM told
)
SELECT id, provider, model, lane, kind, gap, n, answer IS NOT NULL OR vectors AS told, input, cached, cache_write,
    cache_write_1h, output
FROM sorted WHERE kind IS NOT NULL

-- name: counts
-- By group: requests with text, and of those found: each kind, those whose answer is known, and after what time.
WITH whole AS (
    SELECT id, sum(coalesce(n, 1))::BIGINT AS texts FROM grouped
    WHERE NOT aggregate AND lane <> 'cache' AND prompt IS NOT NULL GROUP BY id
)
SELECT id, any_value(texts), coalesce(sum(n) FILTER (kind = 'alike'), 0)::BIGINT,
    coalesce(sum(n) FILTER (kind = 'other'), 0)::BIGINT,
    coalesce(sum(n) FILTER (kind = 'other' AND NOT told), 0)::BIGINT,
    coalesce(sum(n) FILTER (kind = 'failed'), 0)::BIGINT, coalesce(sum(n) FILTER (kind = 'empty'), 0)::BIGINT,
    approx_quantile(gap, [0.5, 0.95]) FILTER (kind IN ('alike', 'other') AND gap IS NOT NULL)
FROM repeated JOIN whole USING (id) GROUP BY id ORDER BY id

-- name: used
-- What they used, as `used` of the levers.
SELECT id, kind = 'alike', lane, provider, model,
    tier(aboves, input) AS above,
    sum(n)::BIGINT,
    sum(greatest(input - coalesce(cached, 0) - coalesce(cache_write, 0), 0))::BIGINT,
    coalesce(sum(cached), 0)::BIGINT,
    coalesce(sum(cache_write - coalesce(cache_write_1h, 0)), 0)::BIGINT, coalesce(sum(cache_write_1h), 0)::BIGINT,
    coalesce(sum(output), 0)::BIGINT
FROM repeated LEFT JOIN tiers USING (provider, model)
WHERE input IS NOT NULL AND provider IS NOT NULL AND model IS NOT NULL
GROUP BY ALL ORDER BY ALL
