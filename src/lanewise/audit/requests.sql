-- The normal row, and money and tokens added up from it.

-- name: table
-- One row for each request, or for a bucket of many. NULL: the log does not say.
CREATE TABLE requests (
    "at" DOUBLE,                  -- seconds since the epoch, UTC
    n BIGINT,                    -- requests that it stands for; NULL of a bucket that does not say
    provider VARCHAR,            -- our name: openai, anthropic, bedrock, azure, gemini, ...
    model VARCHAR,               -- without a vendor's prefix
    input BIGINT,                -- all input tokens, cached ones included
    cached BIGINT,               -- of input: read from the provider's prompt cache
    cache_write BIGINT,          -- of input: written to it
    cache_write_1h BIGINT,       -- of cache_write: with the long lifetime
    output BIGINT,
    output_limit BIGINT,         -- the most output that was asked for (max_tokens)
    seconds DOUBLE,              -- until the answer was whole
    first_token_seconds DOUBLE,
    stream BOOLEAN,
    lane VARCHAR,                -- already used; NULL is taken as real time. 'cache': no provider was asked
    workflow VARCHAR,
    user_name VARCHAR,
    session VARCHAR,
    key_name VARCHAR,            -- the alias of the API key, or its id
    agent VARCHAR,               -- the client that asked
    tags VARCHAR[],
    cost_nano BIGINT,            -- what the log says that it cost, nano-USD
    ok BOOLEAN,
    template UBIGINT,            -- hash of how the prompt begins, digits aside
    prompt UBIGINT,              -- hash of the whole prompt
    prefix UBIGINT,              -- hash of the ids of its blocks, where the log has these rather than texts
    answer UBIGINT,              -- hash of the answer
    prompt_bytes INTEGER,
    answer_bytes INTEGER,
    estimated BOOLEAN,           -- whether its tokens are worked out from its texts: the log has none
    aggregate BOOLEAN,           -- a bucket rather than a request
    format VARCHAR,              -- NULL only while it is imported: a line that could not be read
    file VARCHAR,
    part UBIGINT,                -- while it is imported: what names this row, by its id or in its trace,
    parent UBIGINT,              -- what names the one that it is a part of,
    bare BOOLEAN                 -- and whether it is none itself: a span between others
)

-- name: read
-- What a format's own statement may return: the normal row, with texts instead of hashes.
CREATE VIEW nothing AS SELECT * EXCLUDE (template, prompt, prefix, answer, prompt_bytes, answer_bytes, estimated),
    NULL::VARCHAR AS prompt_text, NULL::VARCHAR AS prompt_blocks, NULL::VARCHAR AS answer_text, NULL::BOOLEAN AS broken
FROM requests WHERE false

-- name: fill
-- Into the marks go the statement and the name of a format, and the model of rows that name none.
INSERT INTO requests BY NAME
WITH read AS (SELECT * FROM ({rows}) UNION ALL BY NAME SELECT * FROM nothing),
named AS (SELECT * REPLACE (coalesce(model, CASE WHEN NOT broken THEN {model} END) AS model) FROM read)
SELECT * EXCLUDE (prompt_text, prompt_blocks, answer_text, broken) REPLACE (
        CASE WHEN aggregate THEN n ELSE coalesce(n, 1) END AS n,
        coalesce(provider, maker_of(model)) AS provider,
        coalesce(aggregate, false) AS aggregate,
        CASE WHEN NOT broken THEN {format} END AS format
    ),
    CASE WHEN prompt_text IS NOT NULL THEN shape_of(prompt_text) END AS template,
    CASE WHEN prompt_text IS NOT NULL THEN hash(prompt_text) END AS prompt,
    CASE WHEN prompt_blocks IS NOT NULL THEN hash(prompt_blocks) END AS prefix,
    CASE WHEN answer_text IS NOT NULL THEN hash(answer_text) END AS answer,
    strlen(prompt_text) AS prompt_bytes,
    strlen(answer_text) AS answer_bytes
FROM named

-- name: unread
SELECT file, count(*) FROM requests WHERE format IS NULL GROUP BY file

-- name: forget_unread
DELETE FROM requests WHERE format IS NULL

-- name: finish
ALTER TABLE requests DROP COLUMN part;
ALTER TABLE requests DROP COLUMN parent;
ALTER TABLE requests DROP COLUMN bare;

-- name: counted
SELECT file, format, count(*) FROM requests GROUP BY ALL ORDER BY ALL
