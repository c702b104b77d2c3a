-- title: LiteLLM spend logs
-- about: the table LiteLLM_SpendLogs as JSON, CSV or Parquet, and /spend/logs
-- finds: startTime, spend, prompt_tokens, call_type
-- finds: startTime, spend, prompt_tokens, model_group
-- within: data
-- note: prompt_tokens includes cached tokens, also for Anthropic; times without a zone are UTC
-- note: a request streams where its first token came before its end
-- note: cache_hit is the proxy's own cache: no provider was asked (lane `cache`)

-- columns
request_id VARCHAR
startTime VARCHAR
endTime VARCHAR
completionStartTime VARCHAR
request_duration_ms DOUBLE
call_type VARCHAR
spend DOUBLE
prompt_tokens BIGINT
completion_tokens BIGINT
model VARCHAR
custom_llm_provider VARCHAR
user VARCHAR
end_user VARCHAR
api_key VARCHAR
metadata VARCHAR
cache_hit VARCHAR
request_tags VARCHAR
session_id VARCHAR
messages JSON
response VARCHAR
proxy_server_request VARCHAR
status VARCHAR

-- rows
WITH opened AS (
    SELECT *, instant(startTime) AS began, instant(endTime) AS ended, instant(completionStartTime) AS first_token,
        tags_of(parsed(request_tags)) AS all_tags,
        json_extract_string(parsed(metadata), [
            '$.additional_usage_values.cache_read_input_tokens',
            '$.additional_usage_values.prompt_tokens_details.cached_tokens',
            '$.additional_usage_values.cache_creation_input_tokens',
            '$.user_api_key_alias', '$.status', '$.usage_object.service_tier',
            '$.requester_metadata.workflow', '$.spend_logs_metadata.workflow', '$.workflow',
            '$.usage_object.cache_read_input_tokens', '$.usage_object.prompt_tokens_details.cached_tokens',
            '$.usage_object.cache_creation_input_tokens'
        ]) AS meta
    FROM records
)
SELECT broken, file, key_of(request_id) AS part, began AS "at",
    provider_of(custom_llm_provider) AS provider, model_of(model) AS model,
    prompt_tokens AS input,
    TRY_CAST(coalesce(meta[1], meta[2], meta[10], meta[11]) AS BIGINT) AS cached,
    TRY_CAST(coalesce(meta[3], meta[12]) AS BIGINT) AS cache_write,
    completion_tokens AS output, limit_of(parsed(proxy_server_request)) AS output_limit,
    span(coalesce(request_duration_ms / 1e3, ended - began)) AS seconds,
    CASE WHEN first_token < ended THEN span(first_token - began) END AS first_token_seconds,
    first_token < ended AS stream,
    CASE WHEN lower(cache_hit) = 'true' THEN 'cache' WHEN contains(call_type, 'batch') THEN 'batch'
        ELSE lane_of(meta[6]) END AS lane,
    coalesce(meta[7], meta[8], meta[9], workflow_tag(own_tags(all_tags))) AS workflow,
    coalesce(said(end_user), said("user")) AS user_name, said(session_id) AS session,
    coalesce(meta[4], said(api_key)) AS key_name, agent_tag(all_tags) AS agent, own_tags(all_tags) AS tags,
    nano(spend) AS cost_nano, coalesce(said(status), meta[5]) <> 'failure' AS ok,
    coalesce(text_of(messages), first_of(parsed(proxy_server_request), ['$.messages', '$.input'])) AS prompt_text,
    answer_of(parsed(response)) AS answer_text
FROM opened
