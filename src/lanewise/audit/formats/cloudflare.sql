-- title: Cloudflare AI Gateway logs
-- about: GET .../ai-gateway/gateways/{id}/logs
-- finds: created_at, tokens_in, tokens_out
-- within: result
-- note: no cached tokens; `cached: true` is the gateway's own cache (lane `cache`)
-- note: copies by Logpush are encrypted and cannot be read

-- columns
id VARCHAR
created_at VARCHAR
provider VARCHAR
model VARCHAR
success BOOLEAN
cached BOOLEAN
duration DOUBLE
tokens_in BIGINT
tokens_out BIGINT
cost DOUBLE
metadata JSON

-- rows
WITH opened AS (SELECT *, unwrapped(metadata) AS told FROM records)
SELECT broken, file, key_of(id) AS part, instant(created_at) AS "at", provider_of(provider) AS provider, model_of(model) AS model,
    tokens_in AS input, NULL::BIGINT AS cached, tokens_out AS output, span(duration / 1e3) AS seconds,
    CASE WHEN opened.cached THEN 'cache' END AS lane, workflow_of(told) AS workflow, user_of(told) AS user_name,
    session_of(told) AS session, client_of(told) AS agent, nano(cost) AS cost_nano, success AS ok
FROM opened
