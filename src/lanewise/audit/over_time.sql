-- When money was spent and requests came, by group; needs `grouped`, `kept` and `rates` with its macros.

-- name: spent
-- By hour, group, model, lane and price tier, within which prices are linear. `hour`: since the epoch, NULL where the
-- log has no time that can be one.
CREATE OR REPLACE TABLE spent AS
WITH tiered AS (
    SELECT grouped.* EXCLUDE (id), kept.id,
        CASE WHEN "at" >= 0 AND "at" < 4e9 THEN CAST(floor("at" / 3600) AS BIGINT) END AS hour,
        tier(aboves, CASE WHEN NOT aggregate THEN input END) AS above
    FROM grouped LEFT JOIN kept USING (id) LEFT JOIN tiers USING (provider, model)
),
added AS (
    SELECT hour, id, provider, model, lane, above, count(*) AS rows, sum(n) AS requests,
        count(*) FILTER (single) AS singles, count(*) FILTER (input IS NULL AND output IS NULL) AS untold,
        coalesce(sum(input), 0) AS input, coalesce(sum(cached), 0) AS cached,
        coalesce(sum(cache_write), 0) AS cache_write, coalesce(sum(cache_write_1h), 0) AS cache_write_1h,
        coalesce(sum(output), 0) AS output, sum(cost_nano) AS logged, min("at") AS first
    FROM tiered GROUP BY ALL
)
FROM priced('added')

-- name: classes
CREATE OR REPLACE TABLE classes AS SELECT unnest(?::UBIGINT[]) AS id, unnest(?::VARCHAR[]) AS class

-- name: classed
CREATE OR REPLACE VIEW classed AS
SELECT spent.*, CASE WHEN lane NOT IN ('realtime', 'priority') THEN {elsewhere}
    ELSE coalesce(class, {unknown}) END AS class
FROM spent LEFT JOIN classes USING (id)

-- name: span
SELECT min(hour), max(hour), coalesce(bool_or(singles < rows), false) FROM spent WHERE hour IS NOT NULL

-- name: slots
-- Of rows without a time the start is NULL.
SELECT epoch(date_trunc('{unit}', make_timestamp(hour * 3600000000)))::BIGINT AS start, class, sum(rows)::BIGINT,
    sum(requests)::BIGINT, ((sum(pico) + 500) // 1000)::BIGINT, sum(logged)::BIGINT
FROM classed GROUP BY ALL ORDER BY ALL

-- name: of_groups
SELECT id, epoch(date_trunc('{unit}', make_timestamp(hour * 3600000000)))::BIGINT AS start, class, sum(rows)::BIGINT,
    sum(requests)::BIGINT, ((sum(pico) + 500) // 1000)::BIGINT, sum(logged)::BIGINT
FROM classed WHERE id IN (SELECT unnest(?::UBIGINT[])) GROUP BY ALL ORDER BY ALL

-- name: models
SELECT id, provider, model, lane, sum(rows)::BIGINT, sum(requests)::BIGINT, sum(input)::BIGINT, sum(cached)::BIGINT,
    sum(output)::BIGINT, ((sum(pico) + 500) // 1000)::BIGINT, sum(logged)::BIGINT
FROM spent WHERE id IN (SELECT unnest(?::UBIGINT[])) GROUP BY ALL
ORDER BY id, greatest(coalesce(sum(pico) // 1000, 0), coalesce(sum(logged), 0)) DESC, sum(input) DESC,
    provider, model, lane

-- name: week_span
SELECT min(hour) FILTER ({dated}), max(hour) FILTER ({dated}),
    coalesce(sum(singles) FILTER (NOT coalesce({dated}, false)), 0)::BIGINT
FROM spent WHERE singles > 0

-- name: week
-- Single requests in real time by hour of the week; the epoch began on a Thursday.
SELECT ((hour // 24 + 3) % 7 * 24 + hour % 24)::BIGINT AS place, class, sum(singles)::BIGINT
FROM classed WHERE singles > 0 AND {dated} GROUP BY ALL ORDER BY ALL
