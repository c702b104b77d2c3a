-- How long batches took, and requests that the provider works on in the background.

-- A batch is done when the provider says it was, or else when we saw it. It was alive no longer than until we
-- asked for its cancellation, and while it runs until the poll that is due next: where no worker polls any
-- more, nobody knows. What lanewise sends one by one for a window is done when the last of it is; what was
-- stopped, or asked elsewhere meanwhile, only took longer than that.

-- name: durations
WITH taken AS (
    SELECT b.*, a.sent_at AS started_at, coalesce(
        (SELECT max(e.at) FROM events e WHERE e.subject = b.id AND e.kind = 'batch.ended'), b.settled_at, ?2
    ) AS seen_at
    FROM batches b JOIN attempts a ON a.id = b.attempt
    WHERE b.lane = 'batch' AND b.state IN ('submitted', 'ended', 'collected', 'settled') AND b.ending IS NOT 'failed'
        AND a.sent_at >= ?1
), windowed AS (
    SELECT b.*, (SELECT min(e.at) FROM events e WHERE e.subject = b.id AND e.kind = 'batch.sending') AS started_at,
        coalesce(
            (SELECT max(e.at) FROM events e WHERE e.subject = b.id AND e.kind = 'batch.collected'), b.settled_at, ?2
        ) AS seen_at,
        min(coalesce(b.cancel_asked_at, b.rescued_at), coalesce(b.rescued_at, b.cancel_asked_at)) AS left_at
    FROM batches b
    WHERE b.lane IN ('background_2h', 'background_8h') AND b.state IN ('sending', 'collected', 'settled')
        AND b.created_at >= ?1
), seen AS (
    SELECT key_id, account, lane, requests, started_at, CASE
        WHEN state = 'submitted' THEN min(?2, due_at, coalesce(cancel_asked_at, ?2))
        WHEN ending = 'cancelled' THEN min(coalesce(charged_at, seen_at), coalesce(cancel_asked_at, seen_at))
        ELSE min(coalesce(charged_at, seen_at), seen_at) -- the provider's clock may be ahead of ours
    END AS until, coalesce(ending = 'completed', 0) AS finished
    FROM taken
    UNION ALL
    SELECT key_id, account, lane, requests, started_at,
        min(CASE WHEN state = 'sending' THEN min(?2, due_at) ELSE seen_at END, coalesce(left_at, ?2)),
        state <> 'sending' AND left_at IS NULL
    FROM windowed WHERE started_at IS NOT NULL
)
SELECT k.provider, c.base_url, s.lane, k.model, s.requests, s.started_at,
    max(0.0, s.until - s.started_at) AS seconds, s.finished
FROM seen s JOIN packing_keys k ON k.id = s.key_id JOIN accounts c ON c.id = s.account
ORDER BY s.started_at DESC LIMIT ?3
