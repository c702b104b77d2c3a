-- title: Helicone
-- about: /v1/request/query, query-clickhouse and @helicone/export
-- finds: request_created_at, delay_ms, prompt_tokens
-- finds: request_created_at, request_model, completion_tokens
-- within: data
-- note: prompt_tokens excludes cached tokens where the provider is Anthropic (not verified), else it includes them
-- note: a cache_reference_id says that Helicone answered from its own cache (lane `cache`)

-- columns
request_id VARCHAR
request_created_at VARCHAR
response_status BIGINT
response_model VARCHAR
request_model VARCHAR
model VARCHAR
request_user_id VARCHAR
request_properties JSON
properties JSON
provider VARCHAR
delay_ms DOUBLE
time_to_first_token DOUBLE
prompt_tokens BIGINT
prompt_cache_write_tokens BIGINT
prompt_cache_read_tokens BIGINT
completion_tokens BIGINT
cost DOUBLE
costUSD DOUBLE
request_body JSON
response_body JSON
cache_reference_id VARCHAR

-- rows
WITH opened AS (
    SELECT *, unwrapped(coalesce(properties, request_properties)) AS told,
        CASE WHEN provider_of(provider) IN ('anthropic', 'bedrock')
            THEN added(coalesce(prompt_cache_read_tokens, 0), prompt_cache_write_tokens) ELSE 0 END AS besides,
        json_extract_string(unwrapped(request_body), [
            '$.stream', '$.service_tier', '$.messages', '$.input', '$.max_completion_tokens', '$.max_output_tokens',
            '$.max_tokens'
        ]) AS asked
    FROM records
)
SELECT broken, file, key_of(request_id) AS part, instant(request_created_at) AS "at", provider_of(provider) AS provider,
    model_of(coalesce(response_model, model, request_model)) AS model,
    added(prompt_tokens, besides) AS input, prompt_cache_read_tokens AS cached, prompt_cache_write_tokens AS cache_write,
    completion_tokens AS output, TRY_CAST(coalesce(asked[5], asked[6], asked[7]) AS BIGINT) AS output_limit, span(delay_ms / 1e3) AS seconds,
    span(time_to_first_token / 1e3) AS first_token_seconds,
    CASE WHEN NOT broken THEN coalesce(asked[1] = 'true', time_to_first_token IS NOT NULL) END AS stream,
    CASE WHEN said(cache_reference_id) IS NOT NULL AND cache_reference_id <> '00000000-0000-0000-0000-000000000000'
        THEN 'cache' ELSE lane_of(asked[2]) END AS lane,
    workflow_of(told) AS workflow, said(request_user_id) AS user_name,
    coalesce(session_of(told), first_of(told, ['$."Helicone-Session-Id"'])) AS session,
    client_of(told) AS agent, nano(coalesce(cost, costUSD)) AS cost_nano,
    response_status BETWEEN 200 AND 299 AS ok,
    coalesce(said(asked[3]), said(asked[4])) AS prompt_text, answer_of(unwrapped(response_body)) AS answer_text
FROM opened
