-- title: OpenAI usage, as the dashboard exports it
-- about: completions_usage_....csv and its sisters
-- finds: start_time, end_time_iso, num_model_requests
-- note: buckets like those of the usage API; which columns are there depends on what the page was grouped by
-- note: days without usage have no values and are no rows

-- columns
start_time VARCHAR
input_tokens BIGINT
input_cached_tokens BIGINT
output_tokens BIGINT
num_model_requests BIGINT
project_id VARCHAR
project_name VARCHAR
user_id VARCHAR
user_email VARCHAR
api_key_id VARCHAR
model VARCHAR
batch VARCHAR
service_tier VARCHAR

-- rows
WITH named AS (
    SELECT *, concat_ws('|', start_time, project_id, user_id, api_key_id, model, batch, service_tier, input_tokens,
        output_tokens, num_model_requests) AS place
    FROM records
    WHERE broken OR num_model_requests IS NOT NULL OR input_tokens IS NOT NULL
)
SELECT broken, file, key_of(place) AS part, instant(start_time) AS "at", num_model_requests AS n, 'openai' AS provider,
    model_of(model) AS model, input_tokens AS input, input_cached_tokens AS cached,
    coalesce(output_tokens, 0) AS output,
    CASE WHEN lower(batch) IN ('true', '1') THEN 'batch' ELSE coalesce(lane_of(service_tier),
        CASE WHEN batch IS NOT NULL THEN 'realtime' END) END AS lane,
    coalesce(project_name, project_id) AS workflow, coalesce(user_email, user_id) AS user_name, api_key_id AS key_name,
    true AS aggregate
FROM named
