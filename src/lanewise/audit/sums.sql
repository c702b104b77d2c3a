-- Money and tokens added up from normal rows, and what the log tells at all.

-- name: models
SELECT provider, model, list(DISTINCT coalesce(lane, 'realtime')), min("at"), max("at")
FROM requests WHERE model IS NOT NULL AND provider IS NOT NULL GROUP BY ALL ORDER BY ALL

-- name: rates
-- Prices in pico-USD per token; `above`: of requests with more input than this.
CREATE OR REPLACE TABLE rates (
    provider VARCHAR, model VARCHAR, lane VARCHAR, since DOUBLE, until DOUBLE, above BIGINT, status VARCHAR,
    plain HUGEINT, read HUGEINT, write HUGEINT, write_1h HUGEINT, output HUGEINT
);

-- The price tiers of models that have several, and that of a request; of a bucket (no input is given) the base.
CREATE OR REPLACE VIEW tiers AS
SELECT provider, model, list(DISTINCT above ORDER BY above) AS aboves FROM rates GROUP BY ALL HAVING max(above) > 0;

CREATE OR REPLACE MACRO tier(aboves, input) AS
    coalesce(list_max(list_filter(aboves, lambda a: a = 0 OR a < input)), 0);

-- Sums within which prices are linear with what they cost, in pico-USD; NULL where no price is known.
CREATE OR REPLACE MACRO priced(sums_of) AS TABLE
SELECT used.*, rates.status,
    CASE WHEN used.lane = 'cache' THEN 0 WHEN rates.status IS NOT NULL AND used.rows > used.untold THEN
        (used.input - used.cached - used.cache_write) * rates.plain + used.cached * rates.read
            + (used.cache_write - used.cache_write_1h) * rates.write + used.cache_write_1h * rates.write_1h
            + used.output * rates.output
    END AS pico
FROM query_table(sums_of) AS used LEFT JOIN rates ON used.provider = rates.provider AND used.model = rates.model
    AND used.lane = rates.lane AND used.above = rates.above
    AND coalesce(used.first, 0) >= rates.since AND coalesce(used.first, 0) < rates.until

-- name: add_rates
INSERT INTO rates
SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?::VARCHAR[])::HUGEINT,
    unnest(?::VARCHAR[])::HUGEINT, unnest(?::VARCHAR[])::HUGEINT, unnest(?::VARCHAR[])::HUGEINT,
    unnest(?::VARCHAR[])::HUGEINT

-- name: sums
-- By day and price tier first, since prices are linear within these: one rounding for each.
CREATE OR REPLACE TABLE sums AS
WITH tiered AS (
    SELECT requests.*, coalesce(lane, 'realtime') AS used,
        tier(aboves, CASE WHEN NOT aggregate THEN input END) AS above
    FROM requests LEFT JOIN tiers USING (provider, model)
)
SELECT CAST(floor("at" / 86400) AS BIGINT) AS day, workflow, provider, model, used AS lane, above,
    count(*) AS rows, sum(n) AS n, count(*) FILTER (n IS NULL) AS uncounted,
    count(*) FILTER (input IS NULL AND output IS NULL) AS untold,
    coalesce(sum(input), 0) AS input, coalesce(sum(cached), 0) AS cached, coalesce(sum(cache_write), 0) AS cache_write,
    coalesce(sum(cache_write_1h), 0) AS cache_write_1h, coalesce(sum(output), 0) AS output,
    sum(cost_nano) AS logged, count(cost_nano) AS logged_rows, count(*) FILTER (NOT ok) AS failed,
    min("at") AS first, max("at") AS last
FROM tiered GROUP BY ALL

-- name: reckoned
-- By workflow, model and lane: the same with money by our own prices.
CREATE OR REPLACE TABLE groups AS
WITH reckoned AS (SELECT *, (pico + 500) // 1000 AS reckoned FROM priced('sums'))
SELECT workflow, provider, model, lane, sum(rows) AS rows, sum(n) AS n, sum(uncounted) AS uncounted,
    sum(untold) AS untold, sum(input) AS input, sum(cached) AS cached, sum(cache_write) AS cache_write,
    sum(output) AS output, sum(logged) AS logged, sum(logged_rows) AS logged_rows, sum(reckoned) AS reckoned,
    coalesce(sum(rows - untold) FILTER (reckoned IS NULL), 0) AS unpriced, sum(failed) AS failed,
    min(first) AS first, max(last) AS last, list(DISTINCT status) FILTER (status IS NOT NULL) AS statuses
FROM reckoned GROUP BY ALL

-- name: groups
SELECT workflow, provider, model, lane, rows::BIGINT, n::BIGINT, uncounted::BIGINT, untold::BIGINT, input::BIGINT,
    cached::BIGINT, cache_write::BIGINT, output::BIGINT, logged::BIGINT, logged_rows::BIGINT, reckoned::BIGINT,
    unpriced::BIGINT, failed::BIGINT, first, last, list_sort(statuses)
FROM groups ORDER BY greatest(coalesce(reckoned, 0), coalesce(logged, 0)) DESC, input DESC, workflow, provider, model, lane
LIMIT ?

-- name: total
SELECT NULL, NULL, NULL, NULL, sum(rows)::BIGINT, sum(n)::BIGINT, sum(uncounted)::BIGINT, sum(untold)::BIGINT,
    sum(input)::BIGINT, sum(cached)::BIGINT, sum(cache_write)::BIGINT, sum(output)::BIGINT, sum(logged)::BIGINT,
    sum(logged_rows)::BIGINT, sum(reckoned)::BIGINT, sum(unpriced)::BIGINT, sum(failed)::BIGINT, min(first),
    max(last), list_sort(list_distinct(flatten(list(statuses)))), count(*)
FROM groups

-- name: coverage
SELECT count(*), {counts}, count(*) FILTER (aggregate) FROM requests

-- name: text_bytes
SELECT coalesce(sum(prompt_bytes), 0)::BIGINT, coalesce(sum(answer_bytes), 0)::BIGINT
FROM requests WHERE input IS NULL AND output IS NULL
