-- title: OpenAI dashboard logs
-- about: the logs of platform.openai.com/logs as JSONL
-- finds: timestamp, input, output, session_id
-- note: no model (say it with --model) and no tokens; the time is in microseconds, lines are in no order

-- columns
timestamp VARCHAR
input JSON
output JSON
session_id VARCHAR

-- rows
SELECT broken, file, instant(timestamp) AS "at", 'openai' AS provider, session_id AS session,
    text_of(input) AS prompt_text, text_of(output) AS answer_text
FROM records
