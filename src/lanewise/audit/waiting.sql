-- Who waits: requests in groups, and what shows in each group whether somebody waits for its answers.

-- name: callers
-- Keys and clients that make groups where no workflow is logged, those that are used often: all others are together.
-- A client counts without its version.
CREATE OR REPLACE TABLE callers AS
WITH found AS (
    SELECT key_name, agent, regexp_replace(agent, '[/ (]*v?[0-9].*$', '') AS client, count(*) AS size
    FROM requests WHERE workflow IS NULL GROUP BY ALL
)
SELECT hash(key_name, agent) AS caller,
    CASE WHEN sum(size) OVER (PARTITION BY key_name) >= $often THEN key_name END AS "key",
    CASE WHEN sum(size) OVER (PARTITION BY key_name, client) >= $often THEN client END AS client
FROM found

-- name: often
-- Templates that make a group of their own there.
CREATE OR REPLACE TABLE often AS
SELECT hash("key", client, template) AS common
FROM requests JOIN callers ON hash(key_name, agent) = caller
WHERE workflow IS NULL AND template IS NOT NULL GROUP BY ALL HAVING count(*) >= $often

-- name: grouped
-- A group is a workflow; where none is logged, what shares a key, a client and a template that are used often.
CREATE OR REPLACE VIEW grouped AS
WITH called AS (
    SELECT requests.* REPLACE (coalesce(lane, 'realtime') AS lane), requests.rowid AS place, "key", client
    FROM requests LEFT JOIN callers ON workflow IS NULL AND hash(key_name, agent) = caller
),
shaped AS (
    SELECT *, CASE WHEN common IS NOT NULL THEN template END AS shape
    FROM called LEFT JOIN often ON workflow IS NULL AND hash("key", client, template) = common
)
SELECT *, CASE WHEN workflow IS NULL THEN hash("key", client, shape) ELSE hash(workflow) END AS id,
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
    SELECT asked_by, regexp_matches(lower(asked_by), $job) AS job, regexp_matches(lower(asked_by), $service) AS service
    FROM (SELECT DISTINCT coalesce(user_name, key_name) AS asked_by FROM latest)
)
SELECT id, "at", provider, model, input, cached, cache_write, cache_write_1h, output, seconds, first_token_seconds,
    stream, lane, ok, job, service AND NOT job AS service, template, prompt, prompt_bytes, answer, file,
    contains(lower(model), 'embed') AS vectors,
    CASE WHEN user_name IS NOT NULL THEN hash(user_name) END AS asker, hash(asked_by) AS caller,
    CASE WHEN session IS NOT NULL THEN hash(session) END AS session, lower(coalesce(agent, '')) AS client
FROM latest LEFT JOIN askers ON coalesce(user_name, key_name) = asked_by

-- name: groups
SELECT id, {
    name: coalesce(any_value(workflow), ''), "key": any_value("key"), agent: any_value(client), shape: any_value(shape),
    rows: count(*)::BIGINT, counted: sum(n)::BIGINT, aggregates: count(*) FILTER (aggregate)::BIGINT,
    elsewhere: coalesce(sum(n) FILTER (lane NOT IN ('realtime', 'priority', 'cache')), 0)::BIGINT,
    live: count(*) FILTER (single)::BIGINT,
    models: list_sort(list(DISTINCT model) FILTER (model IS NOT NULL))[:20]
}
FROM grouped WHERE id IN (SELECT id FROM kept) GROUP BY id ORDER BY count(*) DESC, id

-- name: groups_found
SELECT count(DISTINCT id) FROM grouped

-- name: counts
SELECT id, {
    requests: count(*), timed: count("at"), first: min("at"), last: max("at"),
    stream_told: count(stream), streamed: count(*) FILTER (stream), priority: count(*) FILTER (lane = 'priority'),
    in_session: count(session), sessions: count(DISTINCT session),
    asked_by_told: count(asker), askers: count(DISTINCT asker), callers_told: count(job),
    jobs: count(*) FILTER (job), services: count(*) FILTER (service), vectors: count(*) FILTER (vectors),
    people_clients: count(*) FILTER (regexp_matches(client, $people)),
    program_clients: count(*) FILTER (regexp_matches(client, $programs)), client_told: count(*) FILTER (client <> ''),
    input: coalesce(quantile_disc(input, 0.5), 0), output_told: count(output),
    output: coalesce(quantile_disc(output, 0.5), 0), long_output: coalesce(quantile_disc(output, 0.95), 0),
    prompts: count(prompt), distinct_prompts: approx_count_distinct(prompt),
    answers: count(answer), distinct_answers: approx_count_distinct(answer)
} FROM live GROUP BY id

-- name: templates
-- The share of the three templates that are used most.
WITH counted AS (SELECT id, template, count(*) AS c FROM live WHERE template IS NOT NULL GROUP BY ALL)
SELECT id, {templated: list_sum(max(c, 3)) / sum(c)} FROM counted GROUP BY id

-- name: threads
-- What may carry on from one another: requests of a session; without one of an asker, else of a key, else all.
-- Where nearly each request has a session of its own, or one has hundreds, these are none. Without tokens, the
-- length of the prompt stands for them: only growth is looked at.
CREATE OR REPLACE TABLE threads AS
WITH none AS (
    SELECT id FROM live WHERE session IS NOT NULL GROUP BY id
    HAVING count(DISTINCT session) > 0.95 * count(*) OR count(*) > 300 * count(DISTINCT session)
)
SELECT live.id, "at", coalesce(seconds, 0) AS seconds, coalesce(input, prompt_bytes // 4) AS input, output, asker,
    CASE WHEN none.id IS NULL THEN session END AS talk,
    coalesce(CASE WHEN none.id IS NULL THEN session END, asker, caller, 0) AS thread
FROM live LEFT JOIN none USING (id) WHERE "at" IS NOT NULL

-- name: turns
-- Requests after the one before them: how long after its end, and whether what was said came along.
WITH pairs AS (
    SELECT id, talk IS NOT NULL AS in_session, "at" - lag("at" + seconds) OVER thread AS gap,
        input - lag(input) OVER thread AS more, lag(output) OVER thread AS said,
        asker IS NOT NULL AND asker = lag(asker) OVER thread AS same_asker
    FROM threads WINDOW thread AS (PARTITION BY id, thread ORDER BY "at", input)
),
told AS (
    SELECT *, more > 0 AND 2 * more >= coalesce(said, 0) AND gap BETWEEN -0.5 AND 14400 AS carried,
        in_session AND gap BETWEEN 3 AND 3600 AS paused
    FROM pairs WHERE gap IS NOT NULL
)
SELECT id, {
    pairs: count(*), carried: count(*) FILTER (carried),
    carried_gap: coalesce(quantile_disc(gap, 0.5) FILTER (carried), 0),
    session_pairs: count(*) FILTER (in_session), paused: count(*) FILTER (paused),
    pause: coalesce(quantile_disc(gap, 0.5) FILTER (paused), 0),
    pause_spread: coalesce(stddev_pop(gap) FILTER (paused), 0),
    returned: count(*) FILTER (same_asker AND gap BETWEEN 3 AND 600)
} FROM told GROUP BY id

-- name: growth
-- Sessions of four requests and more: how closely inputs grow along them, and when each begins after all before.
WITH placed AS (
    SELECT id, talk, input, row_number() OVER session AS place,
        "at" - max("at" + seconds) OVER (session ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS gap
    FROM threads WHERE talk IS NOT NULL WINDOW session AS (PARTITION BY id, talk ORDER BY "at", input)
),
sessions AS (
    SELECT id, talk, count(*) AS size, coalesce(corr(place, input), 0) AS growth
    FROM placed GROUP BY id, talk HAVING count(*) >= 4
),
gaps AS (
    SELECT id, quantile_disc(gap, 0.5) AS gap FROM placed WHERE gap > -0.2 GROUP BY id
)
SELECT id, {long_sessions: count(*), in_long: sum(size)::BIGINT, growth: sum(growth * size) / sum(size),
    step_gap: coalesce(any_value(gap), 0)}
FROM sessions LEFT JOIN gaps USING (id) GROUP BY id

-- name: streaks
-- Requests of a group that begin within a second of the end of all before, one after the other.
WITH gaps AS (
    SELECT id, "at", input, "at" - max("at" + seconds) OVER (
        PARTITION BY id ORDER BY "at", input ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS gap
    FROM threads WHERE seconds > 0
),
numbered AS (
    SELECT *, sum((coalesce(gap, 9) NOT BETWEEN -0.05 AND 1)::INTEGER) OVER (
        PARTITION BY id ORDER BY "at", input ROWS UNBOUNDED PRECEDING) AS streak FROM gaps
),
placed AS (SELECT *, row_number() OVER (PARTITION BY id, streak ORDER BY "at", input) AS place FROM numbered),
streaks AS (
    SELECT id, count(*) AS size, coalesce(corr(place, input), 0) AS growth FROM placed GROUP BY id, streak
)
SELECT id, {in_streaks: coalesce(sum(size) FILTER (size >= 4), 0)::BIGINT,
    streak_growth: coalesce(sum(size * growth) FILTER (size >= 4) / sum(size) FILTER (size >= 4), 0)}
FROM streaks GROUP BY id

-- name: evenness
-- How much the time from one request to the next varies, pauses of two and a half minutes and more aside.
WITH gaps AS (
    SELECT id, "at" - lag("at") OVER (PARTITION BY id ORDER BY "at") AS gap FROM live WHERE "at" IS NOT NULL
)
SELECT id, {even_gaps: count(*), even_gap: avg(gap), uneven: coalesce(stddev_pop(gap) / nullif(avg(gap), 0), 1)}
FROM gaps WHERE gap < 150 GROUP BY id

-- name: bunches
-- Requests of two seconds with five and more, at least five times as many as in the ten minutes around on average.
WITH counted AS (SELECT id, floor("at" / 2) AS moment, count(*) AS size FROM live WHERE "at" IS NOT NULL GROUP BY ALL),
around AS (
    SELECT id, size, sum(size) OVER (PARTITION BY id, floor(moment / 300)) AS slot FROM counted
)
SELECT id, {bunched: coalesce(sum(size) FILTER (size >= 5 AND size >= 5 * (slot - size) / 300), 0)::BIGINT,
    bunch: coalesce(max(size), 0)::BIGINT}
FROM around GROUP BY id

-- name: followed
-- Requests behind which the next one of the same session, whatever its group, begins at once.
WITH next AS (
    SELECT id, lead(id) OVER session AS other, lead("at") OVER session - ("at" + seconds) AS gap
    FROM live WHERE "at" IS NOT NULL AND session IS NOT NULL AND seconds IS NOT NULL
    WINDOW session AS (PARTITION BY session ORDER BY "at")
)
SELECT id, {followed: count(*) FILTER (other <> id AND gap BETWEEN -0.2 AND 3) / count(*)} FROM next GROUP BY id

-- name: crowds
-- Bursts without a pause of 150 seconds, up to where the last request begins. A program that keeps so many under way
-- holds their number: its variance is far below its average, while of requests that come by themselves it is as
-- large. Worked off: so held, and of five and more at once at least twice as many as ever at once (or 200).
WITH edges AS (
    SELECT id, "at", 1 AS step, coalesce(input, prompt_bytes // 4) AS input FROM live WHERE "at" IS NOT NULL
    UNION ALL SELECT id, "at" + greatest(coalesce(seconds, 1), 0.5), -1, NULL FROM live WHERE "at" IS NOT NULL
),
busy AS (
    SELECT id, "at", step, input, sum(step) OVER edge AS running, "at" - lag("at") OVER edge AS since,
        lead("at") OVER edge - "at" AS held
    FROM edges WINDOW edge AS (PARTITION BY id ORDER BY "at", step ROWS UNBOUNDED PRECEDING)
),
numbered AS (
    SELECT *, sum((step = 1 AND running = 1 AND coalesce(since, 151) > 150)::INTEGER) OVER (
        PARTITION BY id ORDER BY "at", step ROWS UNBOUNDED PRECEDING) AS burst
    FROM busy
),
ended AS (
    SELECT *, "at" < max("at") FILTER (step = 1) OVER (PARTITION BY id, burst) AS before_last FROM numbered
),
bursts AS (
    SELECT id, count(*) FILTER (step = 1) AS size, max(running)::BIGINT AS peak,
        sum(held) FILTER (before_last) AS whole, sum(running * held) FILTER (before_last) AS work,
        sum(running * running * held) FILTER (before_last) AS squared, coalesce(corr("at", input), 0) AS growth
    FROM ended GROUP BY id, burst
),
kept_up AS (
    SELECT *, size >= 5 AND coalesce(squared / nullif(work, 0) - work / nullif(whole, 0) < 0.5, false) AS steady FROM bursts
),
judged AS (SELECT *, steady AND peak > 4 AND size >= least(2 * peak, 200) AS crowd FROM kept_up)
SELECT id, {
    held: coalesce(sum(size) FILTER (steady), 0)::BIGINT,
    worked_off: coalesce(sum(size) FILTER (crowd), 0)::BIGINT, crowds: count(*) FILTER (crowd), crowd: max(peak),
    crowd_growth: coalesce(sum(size * growth) FILTER (crowd) / sum(size) FILTER (crowd), 0)
} FROM judged GROUP BY id

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
