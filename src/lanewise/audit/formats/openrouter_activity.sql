-- title: OpenRouter activity by day
-- about: GET /api/v1/activity, and its rows as CSV
-- finds: date, model_permaslug, requests, prompt_tokens
-- within: data
-- note: buckets by day, model and provider; no latency, no sessions, no cached tokens
-- note: usage is what was paid to OpenRouter; byok_usage_inference went to the provider and is not in it

-- columns
date VARCHAR
model VARCHAR
model_permaslug VARCHAR
endpoint_id VARCHAR
provider_name VARCHAR
usage DOUBLE
requests BIGINT
prompt_tokens BIGINT
completion_tokens BIGINT

-- rows
SELECT broken, file, key_of(concat_ws('|', date, endpoint_id, model_permaslug, requests, prompt_tokens)) AS part,
    instant(date) AS "at", requests AS n, provider_of(provider_name) AS provider,
    split_part(model_permaslug, '/', -1) AS model, prompt_tokens AS input, completion_tokens AS output,
    nano(usage) AS cost_nano, CASE WHEN NOT broken THEN true END AS aggregate
FROM records
