"""What the sandbox does as a provider, and how sure that is; the documentation is made from this table.

`documented`: the provider says so. `observed`: seen in recorded exchanges. `assumed`: neither.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Behaviour(NamedTuple):
    """One thing the sandbox does."""

    area: str
    what: str
    sure: Literal["documented", "observed", "assumed"]


BEHAVIOURS: Final = (
    Behaviour(
        "OpenAI files",
        "upload (streamed), list, get, delete, content; purposes; 200 MB for batches",
        "documented",
    ),
    Behaviour("OpenAI files", "content can be resumed with `Range`", "assumed"),
    Behaviour(
        "OpenAI batches",
        "create, get, list, cancel; eight statuses; metadata; partial results kept",
        "documented",
    ),
    Behaviour(
        "OpenAI batches",
        "validation is asynchronous: bad content shows as a batch that fails later",
        "documented",
    ),
    Behaviour(
        "OpenAI batches",
        "enqueued-token limit: accepted, then failed with `token_limit_exceeded`",
        "observed",
    ),
    Behaviour("OpenAI batches", "results in another order than the input", "documented"),
    Behaviour(
        "OpenAI batches", "a create accepted after its input file was deleted fails", "assumed"
    ),
    Behaviour(
        "OpenAI live",
        "chat completions, responses (with background windows), embeddings, moderations, models; SSE",
        "documented",
    ),
    Behaviour(
        "OpenAI flex", "`service_tier: flex`, 429 without capacity, not charged", "documented"
    ),
    Behaviour(
        "Anthropic batches",
        "create (one object, streamed), get, list newest first, cancel, delete, results",
        "documented",
    ),
    Behaviour(
        "Anthropic batches",
        "no tag; counts stay zero until the end; `Retry-After: 10` while unfinished",
        "observed",
    ),
    Behaviour("Anthropic batches", "params are validated when they are executed", "documented"),
    Behaviour("Anthropic live", "messages with SSE, token counting, models", "documented"),
    Behaviour("both", "listings may show a new batch late (`listing_lag_seconds`)", "assumed"),
    Behaviour("both", "completion times of the profiles", "assumed"),
    Behaviour(
        "both",
        "prompt caches of an account: least prefixes, lives, prices of writing and reading",
        "documented",
    ),
    Behaviour(
        "Anthropic batches",
        "a batch reads what was cached before it began and nothing that its own requests write: cold, each "
        "marked request pays for writing; after a batch of one, all read (`cache_hits`)",
        "observed",
    ),
    Behaviour(
        "Anthropic batches", "what a batch caches is found from the end of that batch on", "assumed"
    ),
    Behaviour(
        "OpenAI batches",
        "four in five requests find what was asked before them in the same batch; nothing "
        "is shared with other batches or calls",
        "assumed",
    ),
    Behaviour("books", "completed requests are billed, others are free", "documented"),
    Behaviour(
        "books",
        "`/v1/organization/costs` and `/v1/organizations/cost_report`: charges by day; any key "
        "sees them",
        "documented",
    ),
    Behaviour(
        "OpenAI live",
        "rate limits by account and model, requests and tokens (the larger of size and the most asked "
        "for); headers; 429 with `Retry-After`; refused requests count",
        "documented",
    ),
    Behaviour("OpenAI live", "limits refill steadily rather than at the full minute", "assumed"),
    Behaviour(
        "OpenAI live",
        "a call that no minute has room for: 429 `Request too large`, without `Retry-After`",
        "assumed",
    ),
    Behaviour(
        "Anthropic live",
        "token buckets by account and model for requests, input and output tokens; headers; 429 with "
        "`retry-after`; 529 when overloaded",
        "documented",
    ),
    Behaviour(
        "OpenAI background",
        "windows of 2 h and 8 h with standard processing, not streamed; cancelling twice is no error; "
        "what is not stored is gone 10 minutes after its end",
        "documented",
    ),
    Behaviour("OpenAI background", "cancelled and failed responses are free", "assumed"),
    Behaviour(
        "OpenAI files", "beyond the storage quota uploads answer 400, in these words", "assumed"
    ),
    Behaviour(
        "OpenAI batches",
        "2,000 creations an hour; 50,000 requests, 50,000 embedding inputs, one model a batch",
        "documented",
    ),
    Behaviour(
        "Anthropic batches",
        "100,000 requests or 256 MB; custom_id pattern; a limit on queued requests",
        "documented",
    ),
)
