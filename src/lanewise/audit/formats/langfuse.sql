-- title: Langfuse
-- about: observations and traces of the API, and the blob export
-- finds: type, startTime, usageDetails
-- finds: type, start_time, usage_details
-- finds: type, traceId, startTime, model
-- finds: type, trace_id, start_time, provided_model_name
-- finds: projectId, observations, timestamp
-- within: observations, data
-- outer: trace STRUCT(name VARCHAR, "userId" VARCHAR, "sessionId" VARCHAR, tags JSON)
-- outer: name VARCHAR
-- outer: userId VARCHAR
-- outer: sessionId VARCHAR
-- outer: tags JSON
-- note: only generations and embeddings count, and of nested ones the innermost: parents repeat their children's tokens
-- note: servers before version 3 have `usage` instead of `usageDetails`, which knows of no cached tokens
-- note: kinds of tokens either add up to `total` or are parts of input and output; the sum that fits decides

-- columns
id VARCHAR
type VARCHAR
parentObservationId VARCHAR
parent_observation_id VARCHAR
startTime VARCHAR
start_time VARCHAR
endTime VARCHAR
end_time VARCHAR
completionStartTime VARCHAR
completion_start_time VARCHAR
name VARCHAR
traceName VARCHAR
trace_name VARCHAR
metadata JSON
level VARCHAR
input JSON
output JSON
model VARCHAR
modelParameters JSON
model_parameters JSON
provided_model_name VARCHAR
usage STRUCT(input BIGINT, output BIGINT)
promptTokens BIGINT
completionTokens BIGINT
usageDetails MAP(VARCHAR, BIGINT)
usage_details MAP(VARCHAR, BIGINT)
costDetails MAP(VARCHAR, DOUBLE)
cost_details MAP(VARCHAR, DOUBLE)
totalCost DOUBLE
total_cost DOUBLE
calculatedTotalCost DOUBLE
latency DOUBLE
timeToFirstToken DOUBLE
time_to_first_token DOUBLE
userId VARCHAR
user_id VARCHAR
sessionId VARCHAR
session_id VARCHAR
tags JSON

-- rows
WITH told AS (
    SELECT * REPLACE (CASE WHEN bare THEN NULL ELSE input END AS input, CASE WHEN bare THEN NULL ELSE output END AS output)
    FROM (
        SELECT *, coalesce(parentObservationId, parent_observation_id) AS parent_id,
            CASE WHEN type IN ('GENERATION', 'EMBEDDING') THEN false WHEN parent_id IS NOT NULL THEN true END AS bare
        FROM records
    )
),
opened AS (
    SELECT *, coalesce(usageDetails, usage_details) AS u,
        instant(coalesce(startTime, start_time)) AS began, instant(coalesce(endTime, end_time)) AS ended,
        instant(coalesce(completionStartTime, completion_start_time)) AS first_token,
        unwrapped(metadata) AS meta,
        coalesce(tags_of(tags), tags_of(outer_trace.tags), tags_of(outer_tags)) AS said_tags
    FROM told
    WHERE broken OR bare IS NOT NULL
),
parts AS (
    SELECT *,
        coalesce(u['input'], u['prompt_tokens'], u['input_tokens'], usage.input, nullif(promptTokens, 0)) AS base_input,
        coalesce(u['output'], u['completion_tokens'], u['output_tokens'], usage.output, nullif(completionTokens, 0))
            AS base_output,
        coalesce(u['input_cache_read'], u['cache_read_input_tokens'], u['input_cached_tokens'],
            u['prompt_details.cache_read'], u['prompt_tokens_details.cached_tokens'],
            u['prompt_details.cached_tokens']) AS cached,
        coalesce(u['input_cache_creation'], u['cache_creation_input_tokens'], u['input_cache_write'],
            u['prompt_details.cache_write'], u['prompt_details.cache_creation']) AS written,
        coalesce(u['total'], u['total_tokens']) AS total,
        part_sum(u, ['input', 'cache', 'prompt'], ['input', 'prompt_tokens', 'input_tokens']) AS other_input,
        part_sum(u, ['output', 'completion', 'reasoning'], ['output', 'completion_tokens', 'output_tokens'])
            AS other_output
    FROM opened
),
settled AS (  -- which kinds come on top of input and output: whatever adds up to the total, else what their names say
    SELECT *, added(coalesce(base_input, 0), base_output) AS base,
        NOT list_has_any(map_keys(u), ['prompt_details.cache_read', 'prompt_tokens_details.cached_tokens',
            'prompt_details.cached_tokens', 'completion_details.reasoning']) AS named_apart,
        CASE WHEN total IS NULL THEN named_apart WHEN total = base THEN false
            WHEN total IN (base + other_input, base + other_input + other_output) THEN true
            WHEN total = base + other_output THEN false ELSE named_apart END AS input_apart,
        CASE WHEN total IS NULL THEN named_apart WHEN total = base THEN false
            WHEN total = base + other_input + other_output THEN true
            WHEN total = base + other_input THEN false
            WHEN total = base + other_output THEN true ELSE named_apart END AS output_apart
    FROM parts
)
SELECT broken, file, key_of(id) AS part, key_of(said(parent_id)) AS parent, bare,
    began AS "at",
    provider_of(first_of(meta, ['$.ls_provider', '$.attributes."gen_ai.system"', '$.attributes."gen_ai.provider.name"']))
        AS provider,
    model_of(coalesce(model, provided_model_name)) AS model,
    added(base_input, CASE WHEN input_apart THEN other_input ELSE 0 END) AS input,
    cached, CASE WHEN cached IS NULL THEN written ELSE coalesce(written, 0) END AS cache_write,
    added(base_output, CASE WHEN output_apart THEN other_output ELSE 0 END) AS output,
    limit_of(unwrapped(coalesce(modelParameters, model_parameters))) AS output_limit,
    span(coalesce(ended - began, latency)) AS seconds,
    span(coalesce(first_token - began, timeToFirstToken, time_to_first_token)) AS first_token_seconds,
    CASE WHEN NOT broken THEN first_token IS NOT NULL END AS stream,
    coalesce(workflow_of(meta), trace_name, traceName, outer_trace.name, outer_name) AS workflow,
    coalesce(userId, user_id, outer_trace."userId", outer_userId) AS user_name,
    coalesce(sessionId, session_id, outer_trace."sessionId", outer_sessionId) AS session,
    said_tags AS tags,
    CASE WHEN cardinality(u) > 0 THEN nano(coalesce(costDetails['total'], cost_details['total'], totalCost, total_cost,
        calculatedTotalCost)) END AS cost_nano,
    level <> 'ERROR' AS ok,
    text_of(input) AS prompt_text, answer_of(output) AS answer_text
FROM settled
