-- title: OpenAI usage API
-- about: /v1/organization/usage/completions and its sisters, pages or buckets
-- finds: start_time, results.num_model_requests
-- finds: start_time, results.input_tokens, results.model
-- within: data
-- note: buckets, not requests: no latency, no sessions, no text; input_tokens includes cached ones
-- note: what `group_by` did not name is null; group by project_id, model and batch
-- note: buckets with `batch: true` are at batch price already

-- columns
object VARCHAR
start_time BIGINT
results STRUCT(object VARCHAR, input_tokens BIGINT, input_cached_tokens BIGINT, input_cache_write_tokens BIGINT, output_tokens BIGINT, num_model_requests BIGINT, project_id VARCHAR, user_id VARCHAR, api_key_id VARCHAR, model VARCHAR, batch BOOLEAN, service_tier VARCHAR)[]

-- rows
WITH parts AS (
    SELECT broken, file, start_time, unnest(CASE WHEN broken THEN [NULL] ELSE results END) AS r FROM records
)
SELECT broken, file, key_of(start_time || r::VARCHAR) AS part, CAST(start_time AS DOUBLE) AS "at", r.num_model_requests AS n, 'openai' AS provider,
    model_of(r.model) AS model, r.input_tokens AS input, r.input_cached_tokens AS cached,
    r.input_cache_write_tokens AS cache_write, coalesce(r.output_tokens, 0) AS output,
    CASE WHEN r.batch THEN 'batch' WHEN r.batch IS NOT NULL THEN coalesce(lane_of(r.service_tier), 'realtime')
        ELSE lane_of(r.service_tier) END AS lane,
    r.project_id AS workflow, r.user_id AS user_name, r.api_key_id AS key_name, true AS aggregate
FROM parts
