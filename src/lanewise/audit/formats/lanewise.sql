-- title: lanewise's ledger
-- about: lanewise ledger show --json or --csv, and lanewise.Books as Parquet
-- finds: charged_at, input_tokens, cache_read_tokens, baseline_usd
-- note: a row is what one batch or call was booked with; parts of input are told apart and added up here

-- columns
row VARCHAR
charged_at VARCHAR
run VARCHAR
workflow VARCHAR
provider VARCHAR
account VARCHAR
model VARCHAR
lane VARCHAR
kind VARCHAR
answers BIGINT
input_tokens BIGINT
cache_read_tokens BIGINT
cache_write_5m_tokens BIGINT
cache_write_1h_tokens BIGINT
cache_write_other_tokens BIGINT
output_tokens BIGINT
cost_usd DOUBLE

-- rows
WITH summed AS (
    SELECT *, added(added(coalesce(cache_write_5m_tokens, 0), cache_write_1h_tokens), cache_write_other_tokens) AS written
    FROM records
)
SELECT broken, file, key_of("row" || charged_at) AS part, instant(charged_at) AS "at", answers AS n, provider_of(provider) AS provider, model_of(model) AS model,
    added(added(input_tokens, cache_read_tokens), written) AS input, cache_read_tokens AS cached,
    written AS cache_write, cache_write_1h_tokens AS cache_write_1h, output_tokens AS output, lane, workflow,
    account AS key_name, nano(cost_usd) AS cost_nano, answers <> 1 AS aggregate
FROM summed
