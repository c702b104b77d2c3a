-- What shows without any text: limits far above use, histories that grow.

-- name: limits
-- By group and model: answers whose limit is known, what 99 of 100 have at the most, the longest, how many limits are
-- far above that, and their middle.
WITH told AS (
    SELECT id, coalesce(provider, '') AS provider, coalesce(model, '') AS model, output, output_limit FROM grouped
    WHERE NOT aggregate AND lane <> 'cache' AND output IS NOT NULL AND output_limit IS NOT NULL AND coalesce(ok, true)
        AND id IN (SELECT id FROM kept)
),
use AS (
    SELECT id, provider, model, count(*) AS answers, approx_quantile(output, 0.99) AS usual, max(output) AS longest
    FROM told GROUP BY ALL HAVING count(*) >= $enough
)
SELECT id, provider, model, any_value(answers), any_value(usual)::BIGINT, any_value(longest)::BIGINT,
    count(*)::BIGINT, approx_quantile(output_limit, 0.5)::BIGINT
FROM told JOIN use USING (id, provider, model)
WHERE output_limit >= greatest($times * usual, usual + $more) AND output_limit >= longest
GROUP BY ALL ORDER BY ALL

-- name: histories
-- Sessions that send what was said again with each turn: of each turn, what stands further back than the last ten, by
-- how much the input grew, and no cache gave back. The input does not shrink in a run; it does where a history was cut.
WITH turns AS (
    SELECT id, session, "at", coalesce(provider, '') AS provider, coalesce(model, '') AS model,
        input AS tokens, coalesce(cached, 0) AS cached
    FROM live WHERE session IS NOT NULL AND "at" IS NOT NULL AND input IS NOT NULL
),
cut AS (
    SELECT *, tokens < lag(tokens) OVER (PARTITION BY id, session ORDER BY "at", tokens) AS fresh FROM turns
),
runs AS (
    SELECT *, count(*) FILTER (fresh) OVER (
        PARTITION BY id, session ORDER BY "at", tokens ROWS UNBOUNDED PRECEDING) AS run
    FROM cut
),
back AS (
    SELECT *, count(*) OVER (PARTITION BY id, session, run) AS length,
        lag(tokens, $kept) OVER run - greatest(first_value(tokens) OVER run, cached) AS further
    FROM runs WINDOW run AS (PARTITION BY id, session, run ORDER BY "at", tokens)
),
old AS (SELECT *, CASE WHEN length >= $least AND further > 0 THEN further END AS old FROM back)
SELECT id, provider, model, count(*)::BIGINT, count(old)::BIGINT, count(DISTINCT session) FILTER (old IS NOT NULL),
    sum(tokens)::BIGINT, sum(old)::BIGINT
FROM old GROUP BY ALL HAVING count(old) > 0 ORDER BY ALL
