-- title: Amazon Bedrock invocation logs
-- about: the gzipped JSON lines under AWSLogs/.../BedrockModelInvocationLogs
-- finds: schemaType=ModelInvocationLog
-- finds: modelId, input.inputTokenCount
-- note: inputTokenCount excludes cached tokens; latency is there for Converse alone
-- note: the workflow is the name of the role; bodies above 100 kB lie in other files and are not followed

-- columns
requestId VARCHAR
schemaType VARCHAR
timestamp VARCHAR
identity STRUCT(arn VARCHAR)
operation VARCHAR
modelId VARCHAR
errorCode VARCHAR
requestMetadata JSON
input STRUCT("inputBodyJson" JSON, "inputTokenCount" BIGINT, "cacheReadInputTokenCount" BIGINT, "cacheWriteInputTokenCount" BIGINT)
output STRUCT("outputBodyJson" JSON, "outputTokenCount" BIGINT)

-- rows
SELECT broken, file, key_of(requestId) AS part, instant(timestamp) AS "at", CASE WHEN NOT broken THEN 'bedrock' END AS provider,
    bedrock_model(modelId) AS model,
    added(added(input."inputTokenCount", input."cacheReadInputTokenCount"), input."cacheWriteInputTokenCount") AS input,
    input."cacheReadInputTokenCount" AS cached, input."cacheWriteInputTokenCount" AS cache_write,
    output."outputTokenCount" AS output, limit_of(input."inputBodyJson") AS output_limit,
    span(TRY_CAST(first_of(output."outputBodyJson", ['$.metrics.latencyMs']) AS DOUBLE) / 1e3) AS seconds,
    CASE WHEN operation IS NOT NULL THEN ends_with(operation, 'Stream') END AS stream,
    coalesce(workflow_of(requestMetadata), CASE WHEN contains(identity.arn, ':assumed-role/')
        THEN split_part(identity.arn, '/', 2) ELSE split_part(identity.arn, '/', -1) END) AS workflow,
    user_of(requestMetadata) AS user_name, session_of(requestMetadata) AS session, identity.arn AS key_name,
    errorCode IS NULL AS ok,
    coalesce(first_of(input."inputBodyJson", ['$.messages', '$.prompt', '$.inputText']), text_of(input."inputBodyJson"))
        AS prompt_text,
    answer_of(output."outputBodyJson") AS answer_text
FROM records
