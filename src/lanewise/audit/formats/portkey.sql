-- title: Portkey log export
-- about: JSONL of a log export job
-- finds: created_at, ai_org, ai_model, req_units
-- note: cost is in US cents; an export has at most 50,000 rows, so check the span of time
-- note: a cache hit asked no provider (lane `cache`)

-- columns
id VARCHAR
created_at VARCHAR
request JSON
response JSON
is_success BOOLEAN
ai_org VARCHAR
ai_model VARCHAR
req_units BIGINT
res_units BIGINT
cost DOUBLE
response_time DOUBLE
response_status_code BIGINT
cache_status VARCHAR
mode VARCHAR
prompt_slug VARCHAR
metadata JSON
trace_id VARCHAR

-- rows
WITH opened AS (
    SELECT *, unwrapped(metadata) AS told,
        json_extract_string(unwrapped(request), [
            '$.stream', '$.service_tier', '$.messages', '$.input', '$.max_completion_tokens', '$.max_output_tokens',
            '$.max_tokens'
        ]) AS asked,
        json_extract_string(unwrapped(response), [
            '$.usage.prompt_tokens_details.cached_tokens', '$.usage.cache_read_input_tokens',
            '$.usage.cache_creation_input_tokens'
        ]) AS u
    FROM records
)
SELECT broken, file, key_of(id) AS part, instant(created_at) AS "at", provider_of(ai_org) AS provider, model_of(ai_model) AS model,
    req_units AS input, TRY_CAST(coalesce(u[1], u[2]) AS BIGINT) AS cached, TRY_CAST(u[3] AS BIGINT) AS cache_write,
    res_units AS output, TRY_CAST(coalesce(asked[5], asked[6], asked[7]) AS BIGINT) AS output_limit, span(response_time / 1e3) AS seconds, TRY_CAST(asked[1] AS BOOLEAN) AS stream,
    CASE WHEN contains(lower(cache_status), 'hit') THEN 'cache' ELSE lane_of(asked[2]) END AS lane,
    coalesce(workflow_of(told), said(prompt_slug)) AS workflow, user_of(told) AS user_name, session_of(told) AS session,
    client_of(told) AS agent, nano(cost / 100) AS cost_nano,
    coalesce(is_success, response_status_code BETWEEN 200 AND 299) AS ok,
    coalesce(said(asked[3]), said(asked[4]), text_of(request)) AS prompt_text,
    answer_of(unwrapped(response)) AS answer_text
FROM opened
