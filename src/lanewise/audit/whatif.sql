-- What a replay of the traffic needs of each row.

-- name: traffic
-- In an order that the files' own order and that of their lines have no part in: what is equal is equal.
SELECT "at", provider, model, coalesce(lane, 'realtime'), coalesce(workflow, ''), coalesce(key_name, ''),
    coalesce(list_sort(list_distinct(tags)), []), coalesce(input, 0), coalesce(cached, 0), coalesce(cache_write, 0),
    coalesce(cache_write_1h, 0), coalesce(output, 0), coalesce(n, 1),
    CASE
        WHEN aggregate THEN 'in buckets of many'
        WHEN "at" IS NULL THEN 'without a time'
        WHEN provider IS NULL OR model IS NULL THEN 'of an unknown provider or model'
        WHEN lane = 'cache' THEN 'answered by the gateway''s own cache'
        WHEN NOT ok THEN 'not answered'
        WHEN input IS NULL AND output IS NULL THEN 'without tokens'
        ELSE ''
    END, coalesce(cost_nano, -1), coalesce(prompt, 0)
FROM requests ORDER BY ALL
