-- What the requests of each group that went in real time used; needs `grouped` and `rates`.

-- name: used
SELECT id, provider, model,
    tier(aboves, CASE WHEN NOT aggregate THEN input END) AS above,
    sum(coalesce(n, 1))::BIGINT,
    sum(greatest(input - coalesce(cached, 0) - coalesce(cache_write, 0), 0))::BIGINT,
    coalesce(sum(cached), 0)::BIGINT,
    coalesce(sum(cache_write - coalesce(cache_write_1h, 0)), 0)::BIGINT, coalesce(sum(cache_write_1h), 0)::BIGINT,
    coalesce(sum(output), 0)::BIGINT
FROM grouped LEFT JOIN tiers USING (provider, model)
WHERE lane IN ('realtime', 'priority') AND input IS NOT NULL AND provider IS NOT NULL AND model IS NOT NULL
    AND id IN (SELECT id FROM kept)
GROUP BY ALL ORDER BY ALL

-- name: answers
-- How long the answers of a group and model are, and how many there are.
WITH given AS (SELECT id, provider, model, answer, output FROM live WHERE coalesce(ok, true) AND model IS NOT NULL),
kinds AS (SELECT id, provider, model, count(*) AS times FROM given WHERE answer IS NOT NULL GROUP BY id, provider, model, answer),
labels AS (
    SELECT id, provider, model, sum(times)::BIGINT AS texts, count(*) AS kinds,
        list_sum(max(times, $labels))::BIGINT AS common
    FROM kinds GROUP BY ALL
),
lengths AS (
    SELECT id, provider, model, count(output) AS told, approx_quantile(output, [0.5, 0.95]) AS q,
        stddev_pop(output) AS spread
    FROM given GROUP BY ALL
)
SELECT id, provider, model, told, coalesce(q[1], 0), coalesce(q[2], 0), coalesce(spread, 0), coalesce(texts, 0),
    coalesce(kinds, 0), coalesce(common, 0)
FROM lengths LEFT JOIN labels USING (id, provider, model) ORDER BY ALL
