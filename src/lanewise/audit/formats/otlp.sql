-- title: OpenTelemetry (OTLP JSON)
-- about: export requests with GenAI or OpenInference spans, as the collector's file exporter writes them
-- finds: resourceSpans
-- finds: resource_spans
-- note: 64-bit numbers are texts in this form; input_tokens includes cached ones
-- note: spans of agents, workflows and tools repeat their children's tokens and do not count
-- note: older names of attributes are read too (gen_ai.system, gen_ai.usage.prompt_tokens, llm.*)

-- columns
resourceSpans STRUCT(resource STRUCT(attributes STRUCT("key" VARCHAR, "value" STRUCT("stringValue" VARCHAR))[]), "scopeSpans" STRUCT(spans STRUCT("traceId" VARCHAR, "spanId" VARCHAR, "parentSpanId" VARCHAR, "startTimeUnixNano" BIGINT, "endTimeUnixNano" BIGINT, status STRUCT(code VARCHAR), attributes STRUCT("key" VARCHAR, "value" STRUCT("stringValue" VARCHAR, "intValue" VARCHAR, "doubleValue" VARCHAR, "boolValue" VARCHAR, "arrayValue" JSON))[])[])[])[]

-- rows
WITH resources AS (
    SELECT broken, file, unnest(CASE WHEN broken THEN [NULL] ELSE resourceSpans END) AS r FROM records
),
scopes AS (
    SELECT broken, file,
        list_filter(r.resource.attributes, lambda x: x."key" = 'service.name')[1]."value"."stringValue" AS service,
        unnest(CASE WHEN broken THEN [NULL] ELSE r."scopeSpans" END) AS s
    FROM resources
),
single AS (
    SELECT broken, file, service, unnest(CASE WHEN broken THEN [NULL] ELSE s.spans END) AS p FROM scopes
),
spans AS (
    SELECT broken, file, service, p."traceId" AS trace_id, p."spanId" AS span_id, said(p."parentSpanId") AS parent_id,
        p."startTimeUnixNano" / 1e9 AS began, p."endTimeUnixNano" / 1e9 AS ended,
        p.status.code IN ('2', 'STATUS_CODE_ERROR') AS failed,
        list_transform(p.attributes, lambda x: x."key") AS ks,
        list_transform(p.attributes, lambda x: coalesce(x."value"."stringValue", x."value"."intValue",
            x."value"."doubleValue", x."value"."boolValue", array_texts(x."value"."arrayValue"))) AS vs
    FROM single
),
-- include: spans
