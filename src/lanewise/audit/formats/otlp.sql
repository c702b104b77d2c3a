-- title: OpenTelemetry (OTLP JSON)
-- about: export requests with GenAI or OpenInference spans, as the collector's file exporter writes them
-- finds: resourceSpans
-- whole: yes
-- note: 64-bit numbers are texts in this form; input_tokens includes cached ones
-- note: spans of agents, workflows and tools repeat their children's tokens and do not count
-- note: older names of attributes are read too (gen_ai.system, gen_ai.usage.prompt_tokens, llm.*)

-- columns
json JSON

-- rows
WITH listed AS (SELECT *, json_extract(json, '$.resourceSpans[*]') AS rs FROM records),
resources AS (
    SELECT file, broken OR (len(rs) = 0 AND NOT contains(json::VARCHAR, '"resourceSpans"')) AS broken,
        unnest(CASE WHEN broken OR (len(rs) = 0 AND NOT contains(json::VARCHAR, '"resourceSpans"'))
            THEN [NULL] ELSE rs END) AS r
    FROM listed
),
told AS (  -- before they are taken apart, or it would be done once a span
    SELECT broken, file, json_extract(r, '$.scopeSpans[*].spans[*]') AS ps,
        attribute(
            json_extract_string(r, '$.resource.attributes[*].key'),
            json_extract_string(r, '$.resource.attributes[*].value.*'), 'service.name') AS service
    FROM resources
),
single AS (
    SELECT broken, file, service, unnest(CASE WHEN broken THEN [NULL] ELSE ps END) AS p FROM told
),
spans AS (
    SELECT broken, file, service, f[1] AS trace_id, f[2] AS span_id, said(f[3]) AS parent_id,
        TRY_CAST(f[4] AS BIGINT) / 1e9 AS began, TRY_CAST(f[5] AS BIGINT) / 1e9 AS ended,
        f[6] IN ('2', 'STATUS_CODE_ERROR') AS failed, ks,
        CASE WHEN len(ks) = len(found) THEN found  -- else one of them has no value
            ELSE list_transform(json_extract(p, '$.attributes[*]'), lambda x: json_extract_string(x, '$.value.*')[1])
        END AS vs
    FROM (
        SELECT broken, file, service, p,
            json_extract_string(p, ['$.traceId', '$.spanId', '$.parentSpanId', '$.startTimeUnixNano',
                '$.endTimeUnixNano', '$.status.code']) AS f,
            CASE WHEN model THEN json_extract_string(p, '$.attributes[*].key') END AS ks,
            CASE WHEN model THEN json_extract_string(p, '$.attributes[*].value.*') END AS found
        FROM (
            SELECT *, contains(p::VARCHAR, 'gen_ai.') OR contains(p::VARCHAR, 'llm.')
                OR contains(p::VARCHAR, 'openinference.') AS model
            FROM single
        )
        WHERE broken OR model OR contains(p::VARCHAR, '"parentSpanId"')  -- which may lie between others
    )
),
-- include: spans
