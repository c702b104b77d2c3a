-- title: LangSmith ingest payloads
-- about: bodies of POST /runs/batch, where a run begins in `post` and ends in `patch`
-- finds: post.run_type
-- finds: patch.dotted_order
-- finds: payload.post.run_type
-- finds: payload.patch.dotted_order
-- note: the two halves of a run are joined by its place in the trace; times are milliseconds or texts

-- columns
post JSON[]
patch JSON[]
payload STRUCT(post JSON[], patch JSON[])

-- rows
WITH pieces AS (
    SELECT broken, file, unnest(CASE WHEN broken THEN [NULL] ELSE list_concat(
        coalesce(post, payload.post, []), coalesce(patch, payload.patch, [])) END) AS j
    FROM records
),
fields AS (
    SELECT broken, file, json_extract_string(j, [
            '$.dotted_order', '$.run_type', '$.name', '$.start_time', '$.end_time', '$.prompt_tokens',
            '$.completion_tokens', '$.status', '$.error', '$.events[0].time', '$.events[0].name',
            '$.id', '$.parent_run_id'
        ]) AS f,
        json_extract(j, ['$.extra', '$.inputs', '$.outputs', '$.tags']) AS g
    FROM pieces
),
whole AS (
    SELECT broken, file, coalesce(f[1], CASE WHEN broken THEN uuid()::VARCHAR END) AS place,
        max(f[2]) AS run_type, max(f[4]) AS start_time, max(f[5]) AS end_time,
        max(CASE WHEN f[11] = 'new_token' THEN f[10] END) AS first_token_time,
        max(CASE WHEN g[1] <> '{}' THEN g[1] END)::JSON AS extra,
        max(CASE WHEN g[2] <> '{}' THEN g[2] END)::JSON AS inputs,
        max(CASE WHEN g[3] <> '{}' THEN g[3] END)::JSON AS outputs,
        max(g[4])::JSON AS tags, max(count_of(f[6])) AS prompt_tokens, max(count_of(f[7])) AS completion_tokens,
        NULL::JSON AS prompt_token_details, NULL::DOUBLE AS total_cost, max(f[8]) AS status, max(f[9]) AS error, max(f[12]) AS id, max(f[13]) AS parent_run_id
    FROM fields GROUP BY ALL
),
runs AS (
    SELECT *, run_type <> 'llm' AS bare FROM whole
    WHERE broken OR run_type = 'llm' OR (id IS NOT NULL AND parent_run_id IS NOT NULL)
),
-- include: runs
