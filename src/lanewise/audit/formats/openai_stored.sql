-- title: OpenAI stored completions and answers
-- about: GET /v1/chat/completions (store=true), /v1/responses, and logged answers of both
-- finds: object=chat.completion, created, usage
-- finds: object=response, created_at, usage
-- within: data
-- note: the time is in whole seconds; no latency; prompts come from a second address and are seldom here

-- columns
id VARCHAR
object VARCHAR
model VARCHAR
created BIGINT
created_at VARCHAR
completed_at VARCHAR
usage STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT, prompt_tokens_details STRUCT(cached_tokens BIGINT, cache_write_tokens BIGINT), input_tokens BIGINT, output_tokens BIGINT, input_tokens_details STRUCT(cached_tokens BIGINT, cache_write_tokens BIGINT))
metadata JSON
choices JSON
output JSON
messages JSON
input JSON
user VARCHAR
input_user VARCHAR
safety_identifier VARCHAR
service_tier VARCHAR
background BOOLEAN
status VARCHAR

-- rows
SELECT broken, file, key_of(id) AS part, coalesce(CAST(created AS DOUBLE), instant(created_at)) AS "at", 'openai' AS provider,
    model_of(model) AS model, coalesce(usage.prompt_tokens, usage.input_tokens) AS input,
    coalesce(usage.prompt_tokens_details.cached_tokens, usage.input_tokens_details.cached_tokens) AS cached,
    coalesce(usage.prompt_tokens_details.cache_write_tokens, usage.input_tokens_details.cache_write_tokens) AS cache_write,
    coalesce(usage.completion_tokens, usage.output_tokens) AS output,
    span(instant(completed_at) - instant(created_at)) AS seconds,
    CASE WHEN background THEN 'background' ELSE lane_of(service_tier) END AS lane,
    workflow_of(metadata) AS workflow, coalesce("user", input_user, safety_identifier, user_of(metadata)) AS user_name,
    session_of(metadata) AS session, status IS DISTINCT FROM 'failed' AS ok,
    coalesce(text_of(messages), text_of(input)) AS prompt_text,
    coalesce(first_of(choices, ['$[0].message.content', '$[0].message.tool_calls']), text_of(output)) AS answer_text
FROM records
