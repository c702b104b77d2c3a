-- What several formats need. Each is total: what it cannot read is NULL, never an error.

CREATE MACRO scaled_instant(x) AS CASE
    WHEN x > 1e17 THEN x / 1e9 WHEN x > 1e14 THEN x / 1e6 WHEN x > 1e11 THEN x / 1e3 ELSE x
END;

CREATE MACRO plausible(x) AS CASE WHEN x BETWEEN 0 AND 4102444800 THEN x END;

-- An instant as seconds since the epoch. Texts without an offset are UTC; numbers are seconds, milli-,
-- micro- or nanoseconds, told apart by their size. What is before 1970 or after 2100 is no time of a request.
CREATE MACRO instant(t) AS plausible(CASE
    WHEN contains(t, '-') THEN epoch(TRY_CAST(t AS TIMESTAMPTZ))
    WHEN contains(t, '/') THEN epoch(try_strptime(t, ['%m/%d/%Y, %I:%M:%S.%g %p', '%m/%d/%Y, %I:%M:%S %p']))
    WHEN strlen(t) > 17 AND NOT contains(t, '.') THEN TRY_CAST(t AS BIGINT) / 1e9
    ELSE scaled_instant(TRY_CAST(t AS DOUBLE))
END);

-- A duration is never negative; clocks of two machines may say so.
CREATE MACRO span(seconds) AS CASE WHEN seconds >= 0 THEN seconds END;

-- A number as one that can be kept; what is beyond all bounds stays far beyond what rows may have.
CREATE MACRO bounded(x) AS CASE WHEN x IS NOT NULL THEN CAST(round(greatest(least(x, 1e18), -1e18)) AS BIGINT) END;

CREATE MACRO nano(usd) AS bounded(TRY_CAST(usd AS DOUBLE) * 1e9);

-- JSON that may be kept as a text of JSON.
CREATE MACRO unwrapped(j) AS CASE
    WHEN starts_with(j::VARCHAR, '"') THEN TRY_CAST(json_extract_string(j, '$') AS JSON) ELSE j
END;

-- JSON of what Python writes for a dict or a list; pandas puts that into tables.
CREATE MACRO literal(t) AS CASE WHEN regexp_matches(t, '^[\[{]+''') THEN TRY_CAST(
    regexp_replace(regexp_replace(regexp_replace(replace(t, '''', '"'),
        '([:,\[] ?)None\b', '\1null', 'g'), '([:,\[] ?)True\b', '\1true', 'g'), '([:,\[] ?)False\b', '\1false', 'g')
    AS JSON) END;

-- JSON from a field that is read as a text: of a text of JSON that is its value, of an object its JSON.
CREATE MACRO parsed(t) AS coalesce(TRY_CAST(t AS JSON), literal(t));

-- A text without the ways to write "nothing".
CREATE MACRO said(t) AS CASE
    WHEN strlen(t) > 6 THEN t WHEN trim(t) IN ('', '{}', '[]', 'null', 'None', '""') THEN NULL ELSE t
END;

-- A JSON value as text, of a JSON string the string itself.
CREATE MACRO text_of(j) AS said(CASE
    WHEN starts_with(j::VARCHAR, '"') THEN json_extract_string(j, '$') ELSE j::VARCHAR
END);

CREATE MACRO first_of(j, paths) AS said(list_any_value(json_extract_string(j, paths)));

-- Fields of a text that should be JSON, by a shape; parsed once, where a cast to JSON and a look into it would parse
-- it twice.
CREATE MACRO fields_of(t, shape) AS CASE WHEN starts_with(ltrim(t), '{') THEN
    coalesce(TRY(json_transform(t, shape)), json_transform(literal(t), shape)) END;

-- What the answer says, without ids and times, in the forms that providers give it.
CREATE MACRO answer_of(j) AS coalesce(
    said(json_extract_string(j, '$.choices[0].message.content')),  -- the most frequent alone: one path is a third of nine
    first_of(j, [
        '$.choices[0].message.content', '$.choices[0].message.tool_calls', '$.choices[0].text', '$.content',
        '$.output.message.content', '$.output', '$.candidates[0].content', '$.generations', '$.completion',
    ]),
    CASE WHEN NOT starts_with(j::VARCHAR, '{') THEN text_of(j) END
);

-- The names under which people log what a request is for.
CREATE MACRO workflow_of(j) AS first_of(j, [
    '$.workflow', '$.workflow_name', '$.use_case', '$.feature', '$.task', '$.job', '$.app', '$.lanewise_workflow',
]);

CREATE MACRO user_of(j) AS first_of(j, ['$.user', '$.user_id', '$._user', '$.userId', '$.end_user']);

CREATE MACRO session_of(j) AS first_of(j, [
    '$.session_id', '$.session', '$.thread_id', '$.conversation_id', '$.sessionId',
]);

CREATE MACRO client_of(j) AS first_of(j, ['$.user_agent', '$."user-agent"', '$.client', '$.headers."user-agent"']);

-- The most output that a request asks for, under the names that providers give it.
CREATE MACRO limit_of(j) AS TRY_CAST(first_of(j, [
    '$.max_completion_tokens', '$.max_output_tokens', '$.max_tokens', '$.max_tokens_to_sample', '$.inferenceConfig.maxTokens',
    '$.generationConfig.maxOutputTokens', '$.maxOutputTokens', '$.textGenerationConfig.maxTokenCount',
]) AS BIGINT);

-- Tags are a list, or a text of a list, or none.
CREATE MACRO tags_of(j) AS CASE
    WHEN starts_with(j::VARCHAR, '[') THEN json_extract_string(j, '$[*]')
    WHEN starts_with(j::VARCHAR, '"[') THEN json_extract_string(unwrapped(j), '$[*]')
END;

-- Clients that a gateway adds to its tags are no tags.
CREATE MACRO own_tags(tags) AS list_filter(tags, lambda v: NOT starts_with(v, 'User-Agent:'));

CREATE MACRO agent_tag(tags) AS ltrim(substr(CASE
    WHEN starts_with(tags[-1], 'User-Agent:') THEN tags[-1]
    ELSE list_filter(tags, lambda v: starts_with(v, 'User-Agent:'))[-1]
END, 12));

-- `workflow:name` among tags, else the first tag.
CREATE MACRO workflow_tag(tags) AS CASE
    WHEN starts_with(tags[1], 'workflow:') THEN substr(tags[1], 10)
    ELSE coalesce(substr(list_filter(tags, lambda v: starts_with(v, 'workflow:'))[1], 10), tags[1])
END;

-- What a tier of service is as a lane; what is not known stays NULL.
CREATE MACRO lane_of(tier) AS CASE lower(tier)
    WHEN 'batch' THEN 'batch' WHEN 'flex' THEN 'flex' WHEN 'priority' THEN 'priority'
    WHEN 'default' THEN 'realtime' WHEN 'standard' THEN 'realtime' WHEN 'on_demand' THEN 'realtime'
    WHEN 'standard_only' THEN 'realtime' WHEN 'scale' THEN 'realtime' WHEN 'cache' THEN 'cache'
END;

-- `openrouter/anthropic/claude...` has two of them.
CREATE MACRO model_of_rest(m) AS CASE
    WHEN split_part(m, '/', 1) IN ('openai', 'anthropic', 'google', 'gemini', 'mistralai', 'deepseek', 'x-ai')
        THEN substr(m, length(split_part(m, '/', 1)) + 2)
    ELSE m
END;

-- The id of a model without the vendor before it.
CREATE MACRO model_of(m) AS CASE
    WHEN m IS NULL OR m IN ('', 'None') THEN NULL
    WHEN NOT contains(m, '/') THEN m
    WHEN starts_with(m, 'accounts/') OR starts_with(m, 'models/') OR starts_with(m, 'publishers/')
        THEN split_part(m, '/', -1)
    WHEN lower(split_part(m, '/', 1)) IN (
        'openai', 'anthropic', 'google', 'gemini', 'vertex_ai', 'azure', 'azure_ai', 'bedrock', 'mistral',
        'mistralai', 'groq', 'deepseek', 'x-ai', 'xai', 'cohere', 'together_ai', 'fireworks_ai', 'openrouter',
        'voyage', 'workers-ai', 'perplexity', 'ollama', 'litellm_proxy', 'dashscope', 'moonshot', 'moonshotai')
        THEN model_of_rest(substr(m, length(split_part(m, '/', 1)) + 2))
    ELSE m
END;

-- The id of a model at Bedrock: without ARN, region, vendor and version.
CREATE MACRO bedrock_model(m) AS regexp_replace(
    regexp_replace(split_part(m, '/', -1), '^((us|eu|apac|ap|jp|au|ca|sa|us-gov|global)\.)?([a-z0-9-]+\.)', ''),
    '-v\d+(:\d+)*(:\d+k)?$', ''
);

CREATE MACRO maker_of(m) AS CASE
    WHEN m IS NULL THEN NULL
    WHEN starts_with(m, 'claude') THEN 'anthropic'
    WHEN starts_with(m, 'gemini') OR starts_with(m, 'text-embedding-00') THEN 'gemini'
    WHEN starts_with(m, 'gpt-') OR starts_with(m, 'text-embedding-3') OR starts_with(m, 'chatgpt')
        OR starts_with(m, 'ft:gpt') OR m[1:2] IN ('o1', 'o3', 'o4') OR m = 'text-embedding-ada-002'
        OR starts_with(m, 'omni-moderation') THEN 'openai'
    WHEN starts_with(m, 'mistral') OR starts_with(m, 'codestral') OR starts_with(m, 'ministral') THEN 'mistral'
    WHEN starts_with(m, 'deepseek') THEN 'deepseek'
    WHEN starts_with(m, 'grok') THEN 'x-ai'
    WHEN starts_with(m, 'command') THEN 'cohere'
    WHEN starts_with(m, 'voyage') THEN 'voyageai'
END;

-- Our name of a provider for the names that logs use.
CREATE MACRO provider_of(p) AS CASE
    WHEN p IS NULL THEN NULL
    WHEN lower(p) IN ('openai', 'anthropic', 'azure', 'bedrock', 'gemini') THEN lower(p)
    WHEN contains(lower(p), 'azure') OR lower(p) = 'az.ai.inference' THEN 'azure'
    WHEN contains(lower(p), 'bedrock') OR lower(p) IN ('aws', 'amazon') THEN 'bedrock'
    WHEN contains(lower(p), 'vertex') THEN 'vertex'
    WHEN contains(lower(p), 'gemini') OR starts_with(lower(p), 'google') OR starts_with(lower(p), 'gcp') THEN 'gemini'
    WHEN contains(lower(p), 'anthropic') OR lower(p) = 'claude' THEN 'anthropic'
    WHEN contains(lower(p), 'openai') THEN 'openai'
    WHEN contains(lower(p), 'mistral') THEN 'mistral'
    WHEN lower(p) IN ('xai', 'x_ai', 'x.ai', 'x-ai', 'grok') THEN 'x-ai'
    WHEN contains(lower(p), 'together') THEN 'together'
    WHEN contains(lower(p), 'fireworks') THEN 'fireworks'
    WHEN contains(lower(p), 'voyage') THEN 'voyageai'
    WHEN contains(lower(p), 'moonshot') THEN 'moonshotai'
    WHEN lower(p) IN ('', 'none', 'unknown', 'custom', '_other') THEN NULL
    ELSE lower(p)
END;

-- The shape of a prompt: how it begins, with digits aside where it begins with what somebody asks rather than
-- with what a system says. Requests of one template share it.
CREATE MACRO shape_of(t) AS CASE
    WHEN contains(left(t, 40), '"system"') THEN hash(left(t, 96))
    ELSE hash(regexp_replace(left(t, 96), '[0-9]', '#', 'g'))  -- a third of the time of translate
END;

-- One of a span's attributes: its names and its values are two lists.
CREATE MACRO attribute(ks, vs, k) AS vs[list_position(ks, k)];

-- A list of texts as JSON: as such, or as OTLP writes it.
CREATE MACRO array_texts(t) AS TRY_CAST(CASE
    WHEN starts_with(t, '{') THEN to_json(json_extract_string(TRY_CAST(t AS JSON), '$.values[*].stringValue'))::VARCHAR
    ELSE t
END AS JSON);

-- Of a map of counts: the sum of those whose name holds one of some words and is not a main one.
CREATE MACRO part_sum(u, words, mains) AS coalesce(list_sum(list_transform(
    list_filter(map_entries(u), lambda e: NOT list_contains(mains, e.key) AND NOT starts_with(e.key, 'total')
        AND list_bool_or(list_transform(words, lambda w: contains(e.key, w)))),
    lambda e: e.value
)), 0);

-- What names a part of a trace, in eight bytes.
CREATE MACRO key_of(t) AS CASE WHEN t IS NOT NULL THEN hash(t) END;

-- A count that is written as a number or as a text, thousands with commas or not.
CREATE MACRO count_of(t) AS bounded(TRY_CAST(
    CASE WHEN contains(t, ',') AND regexp_full_match(t, '\d{1,3}(,\d{3})+') THEN replace(t, ',', '') ELSE t END
AS DOUBLE));

-- A count and what comes on top of it. Sums beyond all numbers are -1, as no count is: rows with such are left out.
CREATE MACRO added(a, b) AS CASE WHEN a IS NULL THEN NULL
    WHEN a BETWEEN -1e17 AND 1e17 AND coalesce(b, 0) BETWEEN -1e17 AND 1e17 THEN a + coalesce(b, 0) ELSE -1 END;

-- Ids of the blocks of a prompt, a list of them or of runs (`[first, count]`); they may be of one trace only.
CREATE MACRO block_ids(ids, trace) AS CASE WHEN json_array_length(ids) > 0 THEN to_json({
    'of': trace,
    'ids': CASE WHEN json_type(ids, '$[0]') <> 'ARRAY' THEN ids END,
    'runs': CASE WHEN json_type(ids, '$[0]') = 'ARRAY' THEN ids END
})::VARCHAR END;
