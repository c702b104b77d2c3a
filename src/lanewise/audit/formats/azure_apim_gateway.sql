-- title: Azure API Management gateway log
-- about: the table ApiManagementGatewayLogs of Azure Monitor, beside ApiManagementGatewayLlmLog
-- finds: TimeGenerated, CorrelationId, TotalTime, ResponseCode
-- note: no rows of its own; latency, status and subscription go to the requests of the same CorrelationId

-- columns
CorrelationId VARCHAR
TotalTime DOUBLE
ResponseCode BIGINT
ApimSubscriptionId VARCHAR

-- rows
SELECT broken, file, key_of(CorrelationId) AS part, span(TotalTime / 1e3) AS seconds,
    said(ApimSubscriptionId) AS key_name, ResponseCode BETWEEN 200 AND 299 AS ok, true AS bare
FROM records
