-- title: Spans with attributes (OpenInference, GenAI)
-- about: spans one by one with an object of attributes, as Phoenix and span exporters of the SDKs write them
-- finds: attributes.openinference.span.kind
-- finds: attributes.llm.model_name
-- finds: attributes.gen_ai.request.model
-- finds: attributes.gen_ai.response.model
-- finds: attributes, start_time, end_time, context
-- within: data, spans
-- note: only spans of kind LLM and EMBEDDING count; prompt tokens include cached ones

-- columns
name VARCHAR
trace_id VARCHAR
span_id VARCHAR
parent_id VARCHAR
context STRUCT(trace_id VARCHAR, span_id VARCHAR)
start_time VARCHAR
end_time VARCHAR
status_code VARCHAR
status STRUCT(status_code VARCHAR)
resource JSON
attributes JSON

-- rows
WITH spans AS (
    SELECT broken, file, coalesce(context.trace_id, trace_id) AS trace_id, coalesce(context.span_id, span_id) AS span_id,
        said(parent_id) AS parent_id, instant(start_time) AS began, instant(end_time) AS ended,
        coalesce(status_code, status.status_code) = 'ERROR' AS failed,
        first_of(resource, ['$.attributes."service.name"']) AS service,
        map_keys(a) AS ks, map_values(a) AS vs
    FROM (SELECT *, TRY_CAST(unwrapped(attributes) AS MAP(VARCHAR, VARCHAR)) AS a FROM records)
),
-- include: spans
