-- title: LiteLLM standard logging payload
-- about: what LiteLLM's callbacks write, for example to S3, GCS or a generic API
-- finds: startTime, response_cost, prompt_tokens, hidden_params
-- finds: startTime, response_cost, prompt_tokens, model_parameters
-- note: times are seconds since the epoch, as decimals; cached tokens stand in metadata.usage_object alone
-- note: cache_hit is the proxy's own cache: no provider was asked (lane `cache`)

-- columns
id VARCHAR
startTime VARCHAR
endTime VARCHAR
completionStartTime VARCHAR
response_time DOUBLE
stream BOOLEAN
call_type VARCHAR
response_cost DOUBLE
prompt_tokens BIGINT
completion_tokens BIGINT
model VARCHAR
custom_llm_provider VARCHAR
end_user VARCHAR
metadata JSON
cache_hit VARCHAR
request_tags JSON
session_id VARCHAR
trace_id VARCHAR
messages JSON
model_parameters JSON
response JSON
status VARCHAR

-- rows
WITH opened AS (
    SELECT *, instant(startTime) AS began, instant(endTime) AS ended, instant(completionStartTime) AS first_token,
        tags_of(request_tags) AS all_tags,
        json_extract_string(unwrapped(metadata), [
            '$.usage_object.cache_read_input_tokens', '$.usage_object.prompt_tokens_details.cached_tokens',
            '$.usage_object.cache_creation_input_tokens', '$.user_api_key_alias', '$.usage_object.service_tier',
            '$.requester_metadata.workflow', '$.spend_logs_metadata.workflow', '$.workflow',
            '$.user_api_key_user_id', '$.user_api_key_hash'
        ]) AS meta
    FROM records
)
SELECT broken, file, key_of(id) AS part, began AS "at",
    provider_of(custom_llm_provider) AS provider, model_of(model) AS model,
    prompt_tokens AS input, TRY_CAST(coalesce(meta[1], meta[2]) AS BIGINT) AS cached,
    TRY_CAST(coalesce(meta[3], CASE WHEN meta[2] IS NOT NULL OR meta[1] IS NOT NULL THEN '0' END) AS BIGINT)
        AS cache_write,
    completion_tokens AS output, limit_of(unwrapped(model_parameters)) AS output_limit,
    span(coalesce(response_time, ended - began)) AS seconds,
    CASE WHEN first_token < ended THEN span(first_token - began) END AS first_token_seconds,
    stream,
    CASE WHEN lower(cache_hit) = 'true' THEN 'cache' WHEN contains(call_type, 'batch') THEN 'batch'
        ELSE lane_of(meta[5]) END AS lane,
    coalesce(meta[6], meta[7], meta[8], workflow_tag(own_tags(all_tags))) AS workflow,
    coalesce(said(end_user), meta[9]) AS user_name, said(session_id) AS session,
    coalesce(meta[4], meta[10]) AS key_name, agent_tag(all_tags) AS agent, own_tags(all_tags) AS tags,
    nano(response_cost) AS cost_nano, status <> 'failure' AS ok,
    text_of(messages) AS prompt_text, answer_of(response) AS answer_text
FROM opened
