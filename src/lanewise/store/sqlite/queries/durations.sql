-- How long batches took.

-- A batch is done when the provider says it was, or else when we saw it. It was alive no longer than until we
-- asked for its cancellation, and while it runs until the poll that is due next: where no worker polls any
-- more, nobody knows.

-- name: durations
WITH seen AS (
    SELECT b.*, a.sent_at AS started_at, coalesce(
        (SELECT max(e.at) FROM events e WHERE e.subject = b.id AND e.kind = 'batch.ended'), b.settled_at, ?2
    ) AS seen_at
    FROM batches b JOIN attempts a ON a.id = b.attempt
    WHERE b.lane = 'batch' AND b.state IN ('submitted', 'ended', 'collected', 'settled') AND b.ending IS NOT 'failed'
        AND a.sent_at >= ?1
)
SELECT k.provider, c.base_url, s.lane, k.model, s.requests, s.started_at,
    max(0.0, CASE
        WHEN s.state = 'submitted' THEN min(?2, s.due_at, coalesce(s.cancel_asked_at, ?2))
        WHEN s.ending = 'cancelled' THEN min(coalesce(s.charged_at, s.seen_at), coalesce(s.cancel_asked_at, s.seen_at))
        ELSE min(coalesce(s.charged_at, s.seen_at), s.seen_at) -- the provider's clock may be ahead of ours
    END - s.started_at) AS seconds,
    coalesce(s.ending = 'completed', 0) AS finished
FROM seen s JOIN packing_keys k ON k.id = s.key_id JOIN accounts c ON c.id = s.account
ORDER BY s.started_at DESC LIMIT ?3
