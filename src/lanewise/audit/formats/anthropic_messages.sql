-- title: Anthropic messages
-- about: answers of the Messages API as they are, and lines of message batches' results
-- finds: type=message, usage.input_tokens
-- finds: custom_id, result.message.usage
-- note: input_tokens excludes cached tokens; there is no time in an answer
-- note: results of message batches were at batch price

-- columns
id VARCHAR
custom_id VARCHAR
result STRUCT(type VARCHAR, message STRUCT(id VARCHAR, model VARCHAR, content JSON, usage JSON))
type VARCHAR
model VARCHAR
content JSON
usage JSON

-- rows
WITH opened AS (
    SELECT broken, file, coalesce(id, result.message.id) AS id, custom_id, result.type AS verdict, coalesce(model, result.message.model) AS model,
        coalesce(content, result.message.content) AS content,
        json_extract_string(coalesce(usage, result.message.usage), [
            '$.input_tokens', '$.cache_read_input_tokens', '$.cache_creation_input_tokens',
            '$.cache_creation.ephemeral_1h_input_tokens', '$.output_tokens', '$.service_tier'
        ]) AS u
    FROM records
)
SELECT broken, file, key_of(id) AS part, 'anthropic' AS provider, model_of(model) AS model,
    added(added(count_of(u[1]), count_of(u[2])), count_of(u[3])) AS input,
    count_of(u[2]) AS cached, count_of(u[3]) AS cache_write, count_of(u[4]) AS cache_write_1h,
    count_of(u[5]) AS output, CASE WHEN custom_id IS NOT NULL THEN 'batch' ELSE lane_of(u[6]) END AS lane,
    coalesce(verdict = 'succeeded', true) AS ok, text_of(content) AS answer_text
FROM opened
