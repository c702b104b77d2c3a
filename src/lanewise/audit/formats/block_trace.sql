-- title: Traces of prompt blocks
-- about: requests with the ids of the blocks of their prompts, as Mooncake and others publish them
-- finds: hash_ids
-- finds: hash_runs
-- note: no texts: what repeats is told by the ids, which belong to their own `trace` where lines name one
-- note: how many tokens a block has is worked out from the lines
-- note: whole numbers in `timestamp` are milliseconds, other times seconds; mostly since the trace began
-- note: most have no model; say it with --model

-- columns
timestamp VARCHAR
t VARCHAR
time VARCHAR
at VARCHAR
input_length BIGINT
in BIGINT
input_tokens BIGINT
prompt_tokens BIGINT
output_length BIGINT
out BIGINT
output_tokens BIGINT
completion_tokens BIGINT
hash_ids JSON
hash_runs JSON
trace VARCHAR
session_id VARCHAR
model VARCHAR
stream BOOLEAN
api_time DOUBLE
ttft DOUBLE
workflow VARCHAR
agent VARCHAR
type VARCHAR

-- rows
SELECT broken, file,
    CASE WHEN timestamp IS NULL OR regexp_matches(timestamp, '[^0-9]') OR strlen(timestamp) > 11
        THEN instant(coalesce(timestamp, t, time, "at")) ELSE TRY_CAST(timestamp AS DOUBLE) / 1e3 END AS "at",
    model_of(model) AS model, coalesce(input_length, "in", input_tokens, prompt_tokens) AS input,
    coalesce(output_length, out, output_tokens, completion_tokens) AS output,
    span(api_time) AS seconds, span(ttft) AS first_token_seconds, stream, coalesce(trace, session_id) AS session,
    coalesce(workflow, agent, "type") AS workflow,
    block_ids(coalesce(hash_ids, hash_runs), trace) AS prompt_blocks
FROM records
