-- title: LangSmith runs
-- about: runs as the API and the bulk export give them
-- finds: run_type, start_time, trace_id
-- finds: run_type, start_time, prompt_tokens
-- finds: run_type, start_time, extra
-- within: runs, data
-- note: only runs of type llm count; session_id is the project, not a conversation; times without a zone are UTC
-- note: input tokens include every kind of them

-- columns
id VARCHAR
parent_run_id VARCHAR
run_type VARCHAR
name VARCHAR
start_time VARCHAR
end_time VARCHAR
first_token_time VARCHAR
extra JSON
inputs JSON
outputs JSON
prompt_tokens BIGINT
completion_tokens BIGINT
prompt_token_details JSON
total_cost DOUBLE
tags JSON
status VARCHAR
error VARCHAR

-- rows
WITH runs AS (
    SELECT *, run_type <> 'llm' AS bare FROM records
    WHERE broken OR run_type = 'llm' OR (id IS NOT NULL AND parent_run_id IS NOT NULL)
),
-- include: runs
