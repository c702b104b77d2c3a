-- title: Anthropic usage, as the console exports it
-- about: the CSV of the usage page
-- finds: usage_date_utc, usage_input_tokens_no_cache
-- note: buckets without a count of requests; input is no_cache + read + both kinds of writes
-- note: rows with `usage_type` batch are at batch price already

-- columns
usage_date_utc VARCHAR
model_version VARCHAR
api_key VARCHAR
workspace VARCHAR
usage_type VARCHAR
context_window VARCHAR
usage_input_tokens_no_cache BIGINT
usage_input_tokens_cache_write BIGINT
usage_input_tokens_cache_write_5m BIGINT
usage_input_tokens_cache_write_1h BIGINT
usage_input_tokens_cache_read BIGINT
usage_output_tokens BIGINT

-- rows
WITH summed AS (
    SELECT *, added(coalesce(usage_input_tokens_cache_write_5m, usage_input_tokens_cache_write, 0),
            usage_input_tokens_cache_write_1h) AS written,
        concat_ws('|', usage_date_utc, model_version, api_key, workspace, usage_type, context_window,
            usage_input_tokens_no_cache, usage_output_tokens) AS place
    FROM records
)
SELECT broken, file, key_of(place) AS part, instant(usage_date_utc) AS "at", NULL::BIGINT AS n, 'anthropic' AS provider,
    model_of(model_version) AS model,
    added(added(usage_input_tokens_no_cache, usage_input_tokens_cache_read), written) AS input,
    usage_input_tokens_cache_read AS cached, written AS cache_write, usage_input_tokens_cache_write_1h AS cache_write_1h,
    usage_output_tokens AS output, lane_of(usage_type) AS lane, said(workspace) AS workflow, said(api_key) AS key_name,
    true AS aggregate
FROM summed
