-- title: aider analytics
-- about: the file of aider --analytics-log
-- finds: event, properties, user_id, time
-- note: most lines are events; only message_send is a request

-- columns
event VARCHAR
properties STRUCT(main_model VARCHAR, prompt_tokens BIGINT, completion_tokens BIGINT, cost DOUBLE, edit_format VARCHAR)
user_id VARCHAR
time VARCHAR

-- rows
SELECT broken, file, instant(time) AS "at",
    CASE WHEN contains(properties.main_model, '/') THEN provider_of(split_part(properties.main_model, '/', 1)) END
        AS provider,
    model_of(properties.main_model) AS model, properties.prompt_tokens AS input,
    properties.completion_tokens AS output, user_id AS user_name, CASE WHEN NOT broken THEN 'aider' END AS agent,
    nano(properties.cost) AS cost_nano
FROM records
WHERE broken OR (event = 'message_send' AND properties.prompt_tokens IS NOT NULL)
