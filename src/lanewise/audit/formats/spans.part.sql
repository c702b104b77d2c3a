-- From spans to normal rows, whatever they came in. `spans` has: broken, file, trace_id, span_id, parent_id,
-- began, ended, failed, service, and the attributes: names in ks, values in vs, both VARCHAR[].
opened AS (
    SELECT *,
        TRY_CAST(coalesce(attribute(ks, vs, 'gen_ai.usage.input_tokens'), attribute(ks, vs, 'gen_ai.usage.prompt_tokens'),
            attribute(ks, vs, 'llm.token_count.prompt'), attribute(ks, vs, 'llm.usage.prompt_tokens')) AS BIGINT) AS input,
        TRY_CAST(coalesce(attribute(ks, vs, 'gen_ai.usage.output_tokens'), attribute(ks, vs, 'gen_ai.usage.completion_tokens'),
            attribute(ks, vs, 'llm.token_count.completion'), attribute(ks, vs, 'llm.usage.completion_tokens')) AS BIGINT) AS output,
        coalesce(attribute(ks, vs, 'gen_ai.operation.name'), '') AS operation,
        attribute(ks, vs, 'openinference.span.kind') AS kind
    FROM spans
),
asked AS (
    SELECT *, NOT coalesce(
        coalesce(kind, 'LLM') IN ('LLM', 'EMBEDDING')
        AND operation NOT IN ('invoke_agent', 'create_agent', 'execute_tool', 'invoke_workflow', 'plan')
        AND (input IS NOT NULL OR output IS NOT NULL OR kind IS NOT NULL OR operation <> ''), false) AS bare
    FROM opened
    WHERE broken OR NOT bare OR parent_id IS NOT NULL
)
SELECT broken, file, key_of(trace_id || span_id) AS part, key_of(trace_id || parent_id) AS parent, bare,
    began AS "at",
    provider_of(coalesce(attribute(ks, vs, 'gen_ai.provider.name'), attribute(ks, vs, 'gen_ai.system'), attribute(ks, vs, 'llm.provider'), attribute(ks, vs, 'llm.system'))) AS provider,
    model_of(coalesce(attribute(ks, vs, 'gen_ai.response.model'), attribute(ks, vs, 'gen_ai.request.model'), attribute(ks, vs, 'llm.model_name'),
        attribute(ks, vs, 'embedding.model_name'), attribute(ks, vs, 'llm.response.model'), attribute(ks, vs, 'llm.request.model'))) AS model,
    input,
    TRY_CAST(coalesce(attribute(ks, vs, 'gen_ai.usage.cache_read.input_tokens'), attribute(ks, vs, 'gen_ai.usage.cache_read_input_tokens'),
        attribute(ks, vs, 'gen_ai.usage.details.cache_read_tokens'), attribute(ks, vs, 'llm.token_count.prompt_details.cache_read')) AS BIGINT) AS cached,
    TRY_CAST(coalesce(attribute(ks, vs, 'gen_ai.usage.cache_creation.input_tokens'), attribute(ks, vs, 'gen_ai.usage.cache_creation_input_tokens'),
        attribute(ks, vs, 'gen_ai.usage.details.cache_write_tokens'), attribute(ks, vs, 'llm.token_count.prompt_details.cache_write')) AS BIGINT)
        AS cache_write,
    output,
    coalesce(TRY_CAST(attribute(ks, vs, 'gen_ai.request.max_tokens') AS BIGINT),
        limit_of(TRY_CAST(attribute(ks, vs, 'llm.invocation_parameters') AS JSON))) AS output_limit,
    span(ended - began) AS seconds,
    TRY_CAST(attribute(ks, vs, 'gen_ai.response.time_to_first_chunk') AS DOUBLE) AS first_token_seconds,
    TRY_CAST(coalesce(attribute(ks, vs, 'gen_ai.request.stream'), attribute(ks, vs, 'llm.is_streaming'),
        json_extract_string(TRY_CAST(attribute(ks, vs, 'llm.invocation_parameters') AS JSON), '$.stream')) AS BOOLEAN) AS stream,
    lane_of(coalesce(attribute(ks, vs, 'openai.response.service_tier'), attribute(ks, vs, 'gen_ai.openai.response.service_tier'),
        attribute(ks, vs, 'gen_ai.openai.request.service_tier'), attribute(ks, vs, 'openai.request.service_tier'))) AS lane,
    coalesce(workflow_of(TRY_CAST(attribute(ks, vs, 'metadata') AS JSON)), attribute(ks, vs, 'gen_ai.workflow.name'), attribute(ks, vs, 'workflow.name'),
        attribute(ks, vs, 'traceloop.workflow.name'), attribute(ks, vs, 'gen_ai.agent.name'), service) AS workflow,
    coalesce(attribute(ks, vs, 'user.id'), attribute(ks, vs, 'enduser.id'), attribute(ks, vs, 'langfuse.user.id')) AS user_name,
    coalesce(attribute(ks, vs, 'gen_ai.conversation.id'), attribute(ks, vs, 'session.id'), attribute(ks, vs, 'langfuse.session.id')) AS session,
    tags_of(array_texts(attribute(ks, vs, 'tag.tags'))) AS tags, attribute(ks, vs, 'user_agent.original') AS agent,
    nano(coalesce(attribute(ks, vs, 'gen_ai.usage.cost'), attribute(ks, vs, 'llm.cost.total'))) AS cost_nano,
    NOT coalesce(failed, false) AS ok,
    said(coalesce(attribute(ks, vs, 'gen_ai.input.messages'), attribute(ks, vs, 'input.value'), attribute(ks, vs, 'llm.input_messages'),
        attribute(ks, vs, 'llm.input_messages.0.message.content'), attribute(ks, vs, 'gen_ai.prompt.0.content'), attribute(ks, vs, 'gen_ai.prompt'))) AS prompt_text,
    said(coalesce(attribute(ks, vs, 'gen_ai.output.messages'), attribute(ks, vs, 'llm.output_messages.0.message.content'),
        attribute(ks, vs, 'llm.output_messages'), attribute(ks, vs, 'gen_ai.completion.0.content'), attribute(ks, vs, 'output.value'))) AS answer_text
FROM asked
