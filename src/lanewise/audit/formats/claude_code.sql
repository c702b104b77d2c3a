-- title: Claude Code sessions
-- about: the JSONL files under ~/.claude/projects
-- finds: sessionId, message.usage
-- finds: sessionId, requestId, message.model
-- finds: sessionId, type, timestamp, cwd
-- note: one request stands on several lines, one for each block of its answer, and is counted once
-- note: input_tokens excludes cached tokens

-- columns
type VARCHAR
timestamp VARCHAR
sessionId VARCHAR
requestId VARCHAR
cwd VARCHAR
costUSD DOUBLE
message STRUCT(id VARCHAR, model VARCHAR, usage STRUCT(input_tokens BIGINT, cache_creation_input_tokens BIGINT, cache_read_input_tokens BIGINT, cache_creation STRUCT(ephemeral_1h_input_tokens BIGINT), output_tokens BIGINT, service_tier VARCHAR))

-- rows
WITH answers AS (
    SELECT broken, min(file) AS file,
        coalesce(message.id || ' ' || requestId, message.id, uuid()::VARCHAR) AS place,
        min(timestamp) AS timestamp, min(sessionId) AS sessionId, min(cwd) AS cwd, max(costUSD) AS costUSD,
        max(message.model) AS model, max(message.usage.input_tokens) AS fresh,
        max(message.usage.cache_read_input_tokens) AS cached,
        max(message.usage.cache_creation_input_tokens) AS cache_write,
        max(message.usage.cache_creation.ephemeral_1h_input_tokens) AS long,
        max(message.usage.output_tokens) AS output, max(message.usage.service_tier) AS tier
    FROM records
    WHERE broken OR (message.usage.output_tokens IS NOT NULL AND message.model <> '<synthetic>')
    GROUP BY broken, place
)
SELECT broken, file, key_of(place) AS part, instant(timestamp) AS "at", CASE WHEN NOT broken THEN 'anthropic' END AS provider,
    model_of(model) AS model, added(added(fresh, cached), cache_write) AS input, cached, cache_write,
    long AS cache_write_1h, output, lane_of(tier) AS lane, split_part(cwd, '/', -1) AS workflow,
    sessionId AS session, CASE WHEN NOT broken THEN 'claude-code' END AS agent, nano(costUSD) AS cost_nano
FROM answers
