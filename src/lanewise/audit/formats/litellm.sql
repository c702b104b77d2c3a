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
WITH parsed_once AS (  -- what is looked at twice has a name of its own, or it would be worked out twice
    SELECT *, instant(startTime) AS began, instant(endTime) AS ended, instant(completionStartTime) AS first_token,
        tags_of(parsed(request_tags)) AS all_tags, CASE WHEN strlen(response) > 2 THEN parsed(response) END AS answer,
        parsed(said(proxy_server_request)) AS asked,
        fields_of(metadata, '{
            "additional_usage_values": {
                "cache_read_input_tokens": "VARCHAR", "cache_creation_input_tokens": "VARCHAR",
                "prompt_tokens_details": {"cached_tokens": "VARCHAR"}},
            "usage_object": {
                "cache_read_input_tokens": "VARCHAR", "cache_creation_input_tokens": "VARCHAR",
                "prompt_tokens_details": {"cached_tokens": "VARCHAR"}, "service_tier": "VARCHAR"},
            "user_api_key_alias": "VARCHAR", "status": "VARCHAR", "workflow": "VARCHAR",
            "requester_metadata": {"workflow": "VARCHAR"}, "spend_logs_metadata": {"workflow": "VARCHAR"}}') AS meta
    FROM records
),
opened AS (
    SELECT *, own_tags(all_tags) AS own, json_extract_string(answer, '$.choices[0].message.content') AS content
    FROM parsed_once
)
SELECT broken, file, key_of(request_id) AS part, began AS "at",
    provider_of(custom_llm_provider) AS provider, model_of(model) AS model,
    prompt_tokens AS input,
    TRY_CAST(coalesce(
        meta.additional_usage_values.cache_read_input_tokens,
        meta.additional_usage_values.prompt_tokens_details.cached_tokens,
        meta.usage_object.cache_read_input_tokens, meta.usage_object.prompt_tokens_details.cached_tokens
    ) AS BIGINT) AS cached,
    TRY_CAST(coalesce(
        meta.additional_usage_values.cache_creation_input_tokens, meta.usage_object.cache_creation_input_tokens
    ) AS BIGINT) AS cache_write,
    completion_tokens AS output, CASE WHEN asked IS NOT NULL THEN limit_of(asked) END AS output_limit,
    span(coalesce(request_duration_ms / 1e3, ended - began)) AS seconds,
    CASE WHEN first_token < ended THEN span(first_token - began) END AS first_token_seconds,
    first_token < ended AS stream,
    CASE WHEN lower(cache_hit) = 'true' THEN 'cache' WHEN contains(call_type, 'batch') THEN 'batch'
        ELSE lane_of(meta.usage_object.service_tier) END AS lane,
    coalesce(
        meta.requester_metadata.workflow, meta.spend_logs_metadata.workflow, meta.workflow,
        workflow_tag(own)
    ) AS workflow,
    coalesce(said(end_user), said("user")) AS user_name, said(session_id) AS session,
    coalesce(meta.user_api_key_alias, said(api_key)) AS key_name, agent_tag(all_tags) AS agent, own AS tags,
    nano(spend) AS cost_nano, coalesce(said(status), meta.status) <> 'failure' AS ok,
    coalesce(text_of(messages), first_of(asked, ['$.messages', '$.input'])) AS prompt_text,
    CASE WHEN answer IS NOT NULL THEN coalesce(said(content), answer_of(answer)) END AS answer_text
FROM opened
