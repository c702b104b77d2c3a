-- Who waits: requests in groups, and what shows in each group whether somebody waits for its answers.

-- name: often
-- Templates that make a group of their own where no workflow is logged.
CREATE OR REPLACE TABLE often AS
SELECT hash(key_name, agent, template) AS common FROM requests
WHERE workflow IS NULL AND template IS NOT NULL GROUP BY ALL HAVING count(*) >= ?

-- name: grouped
-- A group is a workflow; where none is logged, what shares a key, a client and a template that is used often.
CREATE OR REPLACE VIEW grouped AS
WITH shaped AS (
    SELECT requests.* REPLACE (coalesce(lane, 'realtime') AS lane), requests.rowid AS place,
        CASE WHEN common IS NOT NULL THEN template END AS shape
    FROM requests LEFT JOIN often ON workflow IS NULL AND hash(key_name, agent, template) = common
)
SELECT *, CASE WHEN workflow IS NULL THEN hash(key_name, agent, shape) ELSE hash(workflow) END AS id,
    NOT aggregate AND lane IN ('realtime', 'priority') AS single
FROM shaped

-- name: kept
-- The groups that are looked at: those with the most rows.
CREATE OR REPLACE TABLE kept AS
SELECT id FROM grouped GROUP BY id ORDER BY count(*) DESC, id LIMIT ?

-- name: timed
SELECT count("at") FROM grouped WHERE single

-- name: since
-- From when on the latest requests are the rest of such a share.
SELECT approx_quantile("at", {before}) FROM grouped WHERE single

-- name: live
-- Single requests that somebody could have waited for: those that went in real time, in a very long log the latest.
CREATE OR REPLACE TABLE live AS
WITH latest AS (
    SELECT * FROM grouped WHERE single AND ("at" IS NULL OR "at" >= $since) AND id IN (SELECT id FROM kept)
),
askers AS (
    SELECT user_name, regexp_matches(lower(user_name), $program) AS program
    FROM (SELECT DISTINCT user_name FROM latest WHERE user_name IS NOT NULL)
)
SELECT id, "at", provider, model, input, cached, cache_write, cache_write_1h, output, seconds, first_token_seconds,
    stream, lane, ok, program, template, prompt, prompt_bytes, answer, file,
    CASE WHEN user_name IS NOT NULL THEN hash(user_name) END AS asker,
    CASE WHEN session IS NOT NULL THEN hash(session) END AS session, lower(coalesce(agent, '')) AS client
FROM latest LEFT JOIN askers USING (user_name)

-- name: groups
SELECT id, any_value(workflow), any_value(key_name) FILTER (workflow IS NULL),
    any_value(agent) FILTER (workflow IS NULL), any_value(shape), count(*)::BIGINT,
    sum(n)::BIGINT, count(*) FILTER (aggregate)::BIGINT,
    coalesce(sum(n) FILTER (lane NOT IN ('realtime', 'priority', 'cache')), 0)::BIGINT,
    count(*) FILTER (single)::BIGINT
FROM grouped WHERE id IN (SELECT id FROM kept) GROUP BY id ORDER BY count(*) DESC, id

-- name: groups_found
SELECT count(DISTINCT id) FROM grouped

-- name: counts
SELECT id, {
    requests: count(*), timed: count("at"), first: min("at"), last: max("at"),
    stream_told: count(stream), streamed: count(*) FILTER (stream), priority: count(*) FILTER (lane = 'priority'),
    in_session: count(session), sessions: count(DISTINCT session),
    asked_by_told: count(asker), askers: count(DISTINCT asker), programs: count(*) FILTER (program),
    people_clients: count(*) FILTER (regexp_matches(client, $people)),
    program_clients: count(*) FILTER (regexp_matches(client, $programs)), client_told: count(*) FILTER (client <> ''),
    input: coalesce(approx_quantile(input, 0.5), 0), output_told: count(output),
    output: coalesce(approx_quantile(output, 0.5), 0), long_output: coalesce(approx_quantile(output, 0.95), 0),
    prompts: count(prompt), distinct_prompts: approx_count_distinct(prompt),
    answers: count(answer), distinct_answers: approx_count_distinct(answer)
} FROM live GROUP BY id

-- name: templates
-- The share of the three templates that are used most.
WITH counted AS (SELECT id, template, count(*) AS c FROM live WHERE template IS NOT NULL GROUP BY ALL)
SELECT id, {templated: list_sum(max(c, 3)) / sum(c)} FROM counted GROUP BY id

-- name: turns
-- Requests after the one before them of the same session, or of the same asker: how long after its end, and
-- whether what was said came along. Where nearly each request has a session of its own, these are none.
WITH own AS (
    SELECT id FROM live WHERE session IS NOT NULL GROUP BY id HAVING count(DISTINCT session) > 0.95 * count(*)
),
threads AS (
    SELECT *, CASE WHEN id NOT IN (SELECT id FROM own) THEN session END AS talk
    FROM live WHERE "at" IS NOT NULL
),
pairs AS (
    SELECT id, talk IS NOT NULL AS in_session, "at" - lag("at" + coalesce(seconds, 0)) OVER thread AS gap,
        input - lag(input) OVER thread AS more, lag(output) OVER thread AS said
    FROM threads WHERE coalesce(talk, asker) IS NOT NULL
    WINDOW thread AS (PARTITION BY id, coalesce(talk, asker) ORDER BY "at")
),
told AS (
    SELECT *, more > 0 AND 2 * more >= coalesce(said, 0) AND gap BETWEEN -0.5 AND 14400 AS carried,
        in_session AND gap BETWEEN 3 AND 3600 AS paused
    FROM pairs WHERE gap IS NOT NULL
)
SELECT id, {
    pairs: count(*), carried: count(*) FILTER (carried),
    carried_gap: coalesce(approx_quantile(gap, 0.5) FILTER (carried), 0),
    session_pairs: count(*) FILTER (in_session), paused: count(*) FILTER (paused),
    pause: coalesce(approx_quantile(gap, 0.5) FILTER (paused), 0),
    pause_spread: coalesce(stddev_pop(gap) FILTER (paused), 0)
} FROM told GROUP BY id

-- name: followed
-- Requests behind which the next one of the same session, whatever its group, begins at once.
WITH next AS (
    SELECT id, lead(id) OVER session AS other, lead("at") OVER session - ("at" + seconds) AS gap
    FROM live WHERE "at" IS NOT NULL AND session IS NOT NULL AND seconds IS NOT NULL
    WINDOW session AS (PARTITION BY session ORDER BY "at")
)
SELECT id, {followed: count(*) FILTER (other <> id AND gap BETWEEN -0.2 AND 3) / count(*)} FROM next GROUP BY id

-- name: crowds
-- Requests that begin while at least four others, of the same asker or of anybody, are still being answered.
WITH edges AS (
    SELECT id, asker, "at", 1 AS step FROM live WHERE "at" IS NOT NULL
    UNION ALL SELECT id, asker, "at" + greatest(coalesce(seconds, 1), 0.5), -1 FROM live WHERE "at" IS NOT NULL
),
busy AS (
    SELECT id, step, sum(step) OVER (PARTITION BY id, asker ORDER BY "at", step ROWS UNBOUNDED PRECEDING) AS running,
        sum(step) OVER (PARTITION BY id ORDER BY "at", step ROWS UNBOUNDED PRECEDING) AS together
    FROM edges
)
SELECT id, {
    crowded: count(*) FILTER (running > 4) / count(*), crowd: max(running)::BIGINT,
    together: count(*) FILTER (together > 4) / count(*), throng: max(together)::BIGINT
}
FROM busy WHERE step = 1 GROUP BY id

-- name: hours
SELECT id, CAST(floor("at" % 86400 / 3600) AS INTEGER), count(*)::BIGINT FROM live WHERE "at" IS NOT NULL GROUP BY ALL ORDER BY ALL

-- name: slots
-- Days, and stretches of ten minutes, in which there was any.
SELECT id, {days: count(DISTINCT floor("at" / 86400)), slots: count(DISTINCT floor("at" / 600))}
FROM live WHERE "at" IS NOT NULL GROUP BY id

-- name: span
SELECT min("at"), max("at") FROM live

-- name: bursts
-- Stretches without a pause, and how closely their beginnings agree in their place within a period.
WITH pauses(pause) AS (VALUES (150), (900)),
periods(period) AS (VALUES (300), (900), (3600), (14400), (86400), (604800)),
begun AS (
    SELECT id, pause, "at", coalesce("at" - lag("at") OVER (PARTITION BY id, pause ORDER BY "at") > pause, true) AS fresh
    FROM live, pauses WHERE "at" IS NOT NULL
),
numbered AS (
    SELECT id, pause, "at", sum(fresh::INTEGER) OVER (PARTITION BY id, pause ORDER BY "at" ROWS UNBOUNDED PRECEDING) AS burst
    FROM begun
),
bursts AS (
    SELECT id, pause, min("at") AS start, max("at") - min("at") AS long, count(*) AS size
    FROM numbered GROUP BY id, pause, burst
)
SELECT id, period, count(*)::BIGINT AS bursts, avg(size) AS size, avg(long) AS long,
    max(start) - min(start) AS across,
    sqrt(pow(avg(cos(2 * pi() * start / period)), 2) + pow(avg(sin(2 * pi() * start / period)), 2)) AS agree
FROM bursts, periods GROUP BY id, pause, period ORDER BY id, period, pause
