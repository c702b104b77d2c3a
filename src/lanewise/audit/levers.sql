-- What the requests of each group that went in real time used; needs `grouped` and `rates`.

-- name: used
WITH starts AS (
    SELECT provider, model, list(DISTINCT above ORDER BY above) AS aboves FROM rates GROUP BY ALL
    HAVING max(above) > 0
)
SELECT id, provider, model,
    CASE WHEN aboves IS NULL OR aggregate THEN 0
        ELSE list_max(list_filter(aboves, lambda a: a = 0 OR a < input)) END AS above,
    sum(coalesce(n, 1))::BIGINT, max("at"),
    sum(greatest(input - coalesce(cached, 0) - coalesce(cache_write, 0), 0))::BIGINT,
    coalesce(sum(cached), 0)::BIGINT,
    coalesce(sum(cache_write - coalesce(cache_write_1h, 0)), 0)::BIGINT, coalesce(sum(cache_write_1h), 0)::BIGINT,
    coalesce(sum(output), 0)::BIGINT
FROM grouped LEFT JOIN starts USING (provider, model)
WHERE lane IN ('realtime', 'priority') AND input IS NOT NULL AND provider IS NOT NULL AND model IS NOT NULL
GROUP BY ALL ORDER BY ALL
