-- title: Anthropic usage report
-- about: /v1/organizations/usage_report/messages, pages or buckets
-- finds: starting_at, results.uncached_input_tokens
-- finds: starting_at, results.cache_read_input_tokens
-- within: data
-- note: buckets without a count of requests; input is uncached + read + both kinds of writes
-- note: buckets with `service_tier: batch` are at batch price already

-- columns
starting_at VARCHAR
results STRUCT(api_key_id VARCHAR, workspace_id VARCHAR, model VARCHAR, service_tier VARCHAR, uncached_input_tokens BIGINT, cache_creation STRUCT(ephemeral_5m_input_tokens BIGINT, ephemeral_1h_input_tokens BIGINT), cache_read_input_tokens BIGINT, output_tokens BIGINT)[]

-- rows
WITH parts AS (
    SELECT broken, file, starting_at, unnest(CASE WHEN broken THEN [NULL] ELSE results END) AS r FROM records
),
summed AS (
    SELECT *, added(coalesce(r.cache_creation.ephemeral_5m_input_tokens, 0), 0) AS short,
        added(coalesce(r.cache_creation.ephemeral_1h_input_tokens, 0), 0) AS long
    FROM parts
)
SELECT broken, file, key_of(starting_at || r::VARCHAR) AS part, instant(starting_at) AS "at", NULL::BIGINT AS n, 'anthropic' AS provider, model_of(r.model) AS model,
    added(added(r.uncached_input_tokens, r.cache_read_input_tokens), short + long) AS input,
    r.cache_read_input_tokens AS cached, short + long AS cache_write, long AS cache_write_1h,
    r.output_tokens AS output, lane_of(r.service_tier) AS lane, r.workspace_id AS workflow,
    r.api_key_id AS key_name, true AS aggregate
FROM summed
