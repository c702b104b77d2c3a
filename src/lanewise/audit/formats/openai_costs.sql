-- title: OpenAI costs API
-- about: /v1/organization/costs, pages or buckets
-- finds: start_time, results.amount
-- finds: start_time, results.line_item
-- within: data
-- note: money by day, without requests or tokens; compare it with what the other logs add up to

-- columns
object VARCHAR
start_time BIGINT
results STRUCT(object VARCHAR, amount STRUCT(value DOUBLE, currency VARCHAR), line_item VARCHAR, project_id VARCHAR)[]

-- rows
WITH parts AS (
    SELECT broken, file, start_time, unnest(CASE WHEN broken THEN [NULL] ELSE results END) AS r FROM records
)
SELECT broken, file, key_of(start_time || r::VARCHAR) AS part, CAST(start_time AS DOUBLE) AS "at", NULL::BIGINT AS n, 'openai' AS provider,
    CASE WHEN contains(r.line_item, ',') THEN trim(split_part(r.line_item, ',', 1)) END AS model,
    CASE WHEN contains(lower(r.line_item), 'batch') THEN 'batch' END AS lane,
    r.project_id AS workflow, CASE WHEN lower(r.amount.currency) = 'usd' THEN nano(r.amount.value) END AS cost_nano,
    true AS aggregate
FROM parts
