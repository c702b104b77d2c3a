-- title: OpenRouter activity
-- about: the CSV of the activity page
-- finds: created_at, model_permaslug, tokens_prompt
-- note: tokens are counted by one tokenizer for all models; tokens_prompt includes cached ones
-- note: reasoning is inside completion

-- columns
generation_id VARCHAR
created_at VARCHAR
cost_total DOUBLE
tokens_prompt BIGINT
tokens_completion BIGINT
tokens_cached BIGINT
model_permaslug VARCHAR
provider_name VARCHAR
app_name VARCHAR
api_key_name VARCHAR
user VARCHAR
generation_time_ms DOUBLE
time_to_first_token_ms DOUBLE
finish_reason_normalized VARCHAR
streamed BOOLEAN

-- rows
SELECT broken, file, key_of(generation_id) AS part, instant(created_at) AS "at", provider_of(provider_name) AS provider,
    split_part(model_permaslug, '/', -1) AS model, tokens_prompt AS input, tokens_cached AS cached,
    tokens_completion AS output, span(generation_time_ms / 1e3) AS seconds,
    span(time_to_first_token_ms / 1e3) AS first_token_seconds, streamed AS stream, said(app_name) AS workflow,
    said("user") AS user_name, said(api_key_name) AS key_name, nano(cost_total) AS cost_nano,
    finish_reason_normalized IS DISTINCT FROM 'error' AS ok
FROM records
