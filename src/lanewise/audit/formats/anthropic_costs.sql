-- title: Anthropic cost report
-- about: /v1/organizations/cost_report, pages or buckets
-- finds: starting_at, results.amount, results.currency
-- within: data
-- note: amounts are in US cents; money by day, without requests or tokens

-- columns
starting_at VARCHAR
results STRUCT(currency VARCHAR, amount VARCHAR, workspace_id VARCHAR, description VARCHAR, model VARCHAR, service_tier VARCHAR, token_type VARCHAR)[]

-- rows
WITH parts AS (
    SELECT broken, file, starting_at, unnest(CASE WHEN broken THEN [NULL] ELSE results END) AS r FROM records
)
SELECT broken, file, key_of(starting_at || r::VARCHAR) AS part, instant(starting_at) AS "at", NULL::BIGINT AS n,
    'anthropic' AS provider, model_of(r.model) AS model, lane_of(r.service_tier) AS lane, r.workspace_id AS workflow,
    CASE WHEN lower(r.currency) = 'usd' THEN nano(TRY_CAST(r.amount AS DOUBLE) / 100) END AS cost_nano,
    true AS aggregate
FROM parts
