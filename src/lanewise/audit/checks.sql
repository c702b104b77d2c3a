-- What of the rows can stand, once all files are in.

-- name: impossible
-- Counts and costs that no request has: below nothing, or beyond any context and any bill. Corrections in our own
-- ledger are differences, and may be below nothing.
CREATE OR REPLACE TEMP TABLE impossible AS
SELECT rowid AS row, file FROM requests
WHERE NOT coalesce(bare, false) AND format NOT IN ('lanewise', 'focus') AND (least(n, input, cached, cache_write, cache_write_1h, output) < 0
    OR greatest(input, cached, cache_write, output) > CASE WHEN aggregate THEN 1e15 ELSE 1e8 END
    OR (cost_nano NOT BETWEEN 0 AND 1e15 AND NOT aggregate))

-- name: forget_impossible
DELETE FROM requests WHERE rowid IN (SELECT row FROM impossible)

-- name: twice
-- Rows of one id that say the same, but for the one that says most: exports overlap, or are handed in twice.
CREATE OR REPLACE TEMP TABLE twice AS
WITH again AS (
    SELECT part FROM requests WHERE part IS NOT NULL AND NOT coalesce(bare, false) GROUP BY part HAVING count(*) > 1
),
placed AS (
    SELECT rowid AS row, file, row_number() OVER most AS place,
        input = first_value(input) OVER most AND output = first_value(output) OVER most
            AND abs("at" - first_value("at") OVER most) < 1 AS same
    FROM requests WHERE part IN (SELECT part FROM again) AND NOT coalesce(bare, false)
    WINDOW most AS (PARTITION BY part
        ORDER BY input IS NULL, output IS NULL, cached IS NULL, workflow IS NULL, "at", file, output)
)
SELECT row, file FROM placed WHERE place > 1 AND coalesce(same, true)

-- name: forget_twice
DELETE FROM requests WHERE rowid IN (SELECT row FROM twice)

-- name: apart
-- Files in which, for a provider, more input was read from a cache than there was input: there, input leaves it out.
CREATE OR REPLACE TEMP TABLE apart AS
WITH cached AS (
    SELECT rowid AS row, file, provider, coalesce(cached, 0) + coalesce(cache_write, 0) > input AS beyond
    FROM requests WHERE input IS NOT NULL AND coalesce(cached, 0) + coalesce(cache_write, 0) > 0
),
shares AS (
    SELECT *, avg(beyond::INTEGER) OVER (PARTITION BY file, provider) AS share FROM cached
    WHERE (SELECT bool_or(beyond) FROM cached)
)
SELECT row, file FROM shares WHERE beyond OR share > 0.1

-- name: put_together
UPDATE requests SET input = input + coalesce(cached, 0) + coalesce(cache_write, 0)
WHERE rowid IN (SELECT row FROM apart)

-- name: beside
-- What another log says of the same requests, by their ids: rows that are none themselves and have no parent.
UPDATE requests SET seconds = coalesce(requests.seconds, other.seconds),
    key_name = coalesce(requests.key_name, other.key_name), ok = coalesce(requests.ok, other.ok)
FROM (
    SELECT part, max(seconds) AS seconds, max(key_name) AS key_name, bool_and(ok) AS ok
    FROM requests WHERE bare AND parent IS NULL AND part IS NOT NULL GROUP BY part
) other
WHERE requests.part = other.part AND NOT coalesce(requests.bare, false)

-- name: forget_beside
DELETE FROM requests WHERE bare AND parent IS NULL

-- name: above
-- Spans and runs with something below them that has tokens: directly, or with nameless ones between.
CREATE OR REPLACE TEMP TABLE above AS
SELECT DISTINCT parent AS part, 0 AS step FROM requests
WHERE parent IS NOT NULL AND input IS NOT NULL AND NOT coalesce(bare, false)

-- name: further_above
INSERT INTO above
SELECT DISTINCT parent, $step FROM requests
WHERE bare AND parent IS NOT NULL AND part IN (SELECT part FROM above WHERE step = $step - 1)
    AND parent NOT IN (SELECT part FROM above)

-- name: forget_above
-- They repeat the tokens of what is below them; the innermost ones count.
DELETE FROM requests WHERE bare OR part IN (SELECT part FROM above)
