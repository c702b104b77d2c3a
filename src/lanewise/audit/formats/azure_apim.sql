-- title: Azure API Management LLM log
-- about: the table ApiManagementGatewayLlmLog of Azure Monitor
-- finds: TimeGenerated, PromptTokens, DeploymentName
-- finds: TimeGenerated, PromptTokens, ModelName
-- note: no cached tokens; latency is in another table, ApiManagementGatewayLogs, and is read where that is given too
-- note: long messages go over several rows of one CorrelationId, which count once

-- columns
CorrelationId VARCHAR
TimeGenerated VARCHAR
ModelName VARCHAR
DeploymentName VARCHAR
PromptTokens BIGINT
CompletionTokens BIGINT
IsStreamCompletion BOOLEAN
RequestMessages JSON
ResponseMessages JSON

-- rows
SELECT broken, file, key_of(CorrelationId) AS part, instant(TimeGenerated) AS "at", CASE WHEN NOT broken THEN 'azure' END AS provider,
    model_of(ModelName) AS model, PromptTokens AS input, CompletionTokens AS output, IsStreamCompletion AS stream,
    said(DeploymentName) AS workflow, text_of(RequestMessages) AS prompt_text, text_of(ResponseMessages) AS answer_text
FROM records
