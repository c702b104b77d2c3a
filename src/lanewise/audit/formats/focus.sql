-- title: lanewise's ledger as FOCUS 1.2
-- about: lanewise export focus, CSV or Parquet
-- finds: ChargePeriodStart, BilledCost, SkuMeter, x_Lane, x_Workflow
-- note: sums by day and kind of token, without requests; lanewise ledger show --csv has a row for each booking
-- note: of other makers' FOCUS files nothing is known of tokens, and they are not read

-- columns
ChargePeriodStart VARCHAR
SkuId VARCHAR
SkuMeter VARCHAR
SkuPriceDetails JSON
ConsumedQuantity DOUBLE
BilledCost DOUBLE
BillingAccountId VARCHAR
x_Lane VARCHAR
x_Workflow VARCHAR
x_Kind VARCHAR

-- rows
WITH metered AS (
    SELECT *, bounded(ConsumedQuantity) AS tokens, starts_with(SkuMeter, 'Cache Write') AS written FROM records
)
SELECT broken, file, instant(ChargePeriodStart) AS "at", NULL::BIGINT AS n,
    provider_of(split_part(SkuId, '/', 1)) AS provider,
    model_of(first_of(unwrapped(SkuPriceDetails), ['$.x_ModelId'])) AS model,
    CASE WHEN SkuMeter = 'Output Tokens' THEN 0 ELSE tokens END AS input,
    CASE WHEN SkuMeter = 'Cached Input Tokens' THEN tokens END AS cached,
    CASE WHEN written THEN tokens END AS cache_write,
    CASE WHEN written AND contains(SkuMeter, '1 hour') THEN tokens END AS cache_write_1h,
    CASE WHEN SkuMeter = 'Output Tokens' THEN tokens ELSE 0 END AS output,
    x_Lane AS lane, x_Workflow AS workflow, BillingAccountId AS key_name, nano(BilledCost) AS cost_nano, true AS aggregate
FROM metered
