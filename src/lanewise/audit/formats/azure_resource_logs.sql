-- title: Azure resource logs
-- about: the PT1H.json files that diagnostic settings write to a storage account, of OpenAI and of API Management
-- finds: time, resourceId, category, properties
-- within: records
-- note: of category GatewayLlmLogs with tokens; of RequestResponse without any, only lengths in bytes
-- note: names of fields are those of the tables in small letters (not verified on files of a storage account)
-- note: latency and status of the first are in category GatewayLogs, by correlationId
-- note: the same requests in the tables of a workspace have the same ids and are counted once

-- columns
time VARCHAR
category VARCHAR
correlationId VARCHAR
durationMs DOUBLE
resultSignature VARCHAR
properties JSON

-- rows
WITH opened AS (
    SELECT *, lower(coalesce(category, '')) <> 'gatewayllmlogs' AS plain,
        json_extract_string(unwrapped(properties), [
            '$.modelName', '$.modelVersion', '$.modelDeploymentName', '$.deploymentName', '$.streamType', '$.objectId',
            '$.promptTokens', '$.completionTokens', '$.isStreamCompletion', '$.requestMessages', '$.responseMessages',
            '$.correlationId'
        ]) AS p
    FROM records
    WHERE broken OR lower(category) IN ('requestresponse', 'gatewayllmlogs', 'gatewaylogs')
)
SELECT broken, file, lower(category) = 'gatewaylogs' AS bare, key_of(coalesce(correlationId, p[12])) AS part, instant(time) AS "at",
    CASE WHEN NOT broken THEN 'azure' END AS provider, model_of(p[1] || coalesce('-' || said(p[2]), '')) AS model,
    count_of(p[7]) AS input, count_of(p[8]) AS output, CASE WHEN plain THEN span(durationMs / 1e3) END AS seconds,
    coalesce(p[5] = 'Streaming', TRY_CAST(p[9] AS BOOLEAN)) AS stream, coalesce(said(p[3]), said(p[4])) AS workflow,
    said(p[6]) AS user_name, CASE WHEN plain THEN starts_with(resultSignature, '2') END AS ok,
    said(p[10]) AS prompt_text, said(p[11]) AS answer_text
FROM opened
