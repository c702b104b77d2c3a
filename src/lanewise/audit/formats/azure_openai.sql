-- title: Azure OpenAI diagnostics
-- about: AzureDiagnostics of category RequestResponse
-- finds: TimeGenerated, Category, properties_s
-- note: no tokens at all, only lengths in bytes; route the calls through API Management to have them

-- columns
CorrelationId VARCHAR
TimeGenerated VARCHAR
Category VARCHAR
DurationMs DOUBLE
ResultSignature VARCHAR
properties_s JSON

-- rows
WITH opened AS (
    SELECT *, json_extract_string(unwrapped(properties_s), [
        '$.modelName', '$.modelVersion', '$.modelDeploymentName', '$.streamType', '$.objectId',
        '$.requestLength', '$.responseLength'
    ]) AS p
    FROM records
    WHERE broken OR Category = 'RequestResponse'
)
SELECT broken, file, key_of(CorrelationId) AS part, instant(TimeGenerated) AS "at", CASE WHEN NOT broken THEN 'azure' END AS provider,
    p[1] || coalesce('-' || said(p[2]), '') AS model, span(DurationMs / 1e3) AS seconds,
    p[4] = 'Streaming' AS stream, said(p[3]) AS workflow, said(p[5]) AS user_name,
    starts_with(ResultSignature, '2') AS ok
FROM opened
