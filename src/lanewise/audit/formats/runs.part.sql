-- From LangSmith's runs to normal rows. `runs` has the columns of langsmith.sql.
opened AS (
    SELECT *, instant(start_time) AS began, instant(end_time) AS ended, instant(first_token_time) AS first_token,
        json_extract_string(unwrapped(extra), [
            '$.metadata.ls_provider', '$.metadata.ls_model_name', '$.invocation_params.model',
            '$.invocation_params.stream', '$.invocation_params.service_tier'
        ]) AS meta,
        limit_of(json_extract(unwrapped(extra), '$.invocation_params')) AS output_limit,
        json_extract(unwrapped(extra), '$.metadata') AS metadata,
        json_extract_string(unwrapped(outputs), [
            '$.usage_metadata.input_tokens', '$.usage.prompt_tokens', '$.usage.input_tokens',
            '$.usage_metadata.output_tokens', '$.usage.completion_tokens', '$.usage.output_tokens',
            '$.usage_metadata.input_token_details.cache_read', '$.usage.prompt_tokens_details.cached_tokens',
            '$.usage_metadata.input_token_details.cache_creation', '$.model',
            '$.llm_output.token_usage.prompt_tokens', '$.llm_output.token_usage.completion_tokens', '$.service_tier'
        ]) AS out,
        json_extract_string(unwrapped(inputs), ['$.model', '$.stream', '$.messages', '$.prompts']) AS asked,
        tags_of(tags) AS said_tags
    FROM runs
)
SELECT broken, file, key_of(id) AS part, key_of(said(parent_run_id)) AS parent, bare, began AS "at", provider_of(meta[1]) AS provider,
    model_of(coalesce(out[10], meta[2], meta[3], asked[1])) AS model,
    coalesce(prompt_tokens, TRY_CAST(coalesce(out[1], out[2], out[3], out[11]) AS BIGINT)) AS input,
    TRY_CAST(coalesce(first_of(prompt_token_details, ['$.cache_read']), out[7], out[8]) AS BIGINT) AS cached,
    TRY_CAST(coalesce(first_of(prompt_token_details, ['$.cache_creation']), out[9]) AS BIGINT) AS cache_write,
    coalesce(completion_tokens, TRY_CAST(coalesce(out[4], out[5], out[6], out[12]) AS BIGINT)) AS output, output_limit,
    span(ended - began) AS seconds, span(first_token - began) AS first_token_seconds,
    coalesce(first_token IS NOT NULL OR NULL, TRY_CAST(coalesce(asked[2], meta[4]) AS BOOLEAN)) AS stream,
    lane_of(coalesce(out[13], meta[5])) AS lane,
    coalesce(workflow_of(metadata), workflow_tag(list_filter(said_tags, lambda v: starts_with(v, 'workflow:'))))
        AS workflow,
    user_of(metadata) AS user_name, session_of(metadata) AS session, said_tags AS tags,
    nano(total_cost) AS cost_nano, said(error) IS NULL AND status IS DISTINCT FROM 'error' AS ok,
    coalesce(said(asked[3]), said(asked[4]), text_of(inputs)) AS prompt_text,
    answer_of(unwrapped(outputs)) AS answer_text
FROM opened
