-- title: OpenAI costs, as the dashboard exports them
-- about: cost_....csv
-- finds: start_time, amount_value, amount_currency
-- note: money by day, without requests; days without costs are no rows

-- columns
start_time VARCHAR
amount_value DOUBLE
amount_currency VARCHAR
line_item VARCHAR
project_id VARCHAR
project_name VARCHAR
api_key_id VARCHAR

-- rows
SELECT broken, file, key_of(concat_ws('|', start_time, amount_value, line_item, project_id, api_key_id)) AS part,
    instant(start_time) AS "at", NULL::BIGINT AS n, 'openai' AS provider,
    CASE WHEN contains(line_item, ',') THEN trim(split_part(line_item, ',', 1)) END AS model,
    CASE WHEN contains(lower(line_item), 'batch') THEN 'batch' END AS lane,
    coalesce(project_name, project_id) AS workflow, api_key_id AS key_name,
    CASE WHEN lower(amount_currency) = 'usd' THEN nano(amount_value) END AS cost_nano, true AS aggregate
FROM records
WHERE broken OR amount_value IS NOT NULL
