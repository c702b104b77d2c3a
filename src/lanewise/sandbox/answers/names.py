"""Model names: the snapshot a provider answers with, and what kind of model a name means."""

import re
from functools import lru_cache
from hashlib import blake2b

# assumed to be the default snapshots; an alias that is not listed answers under its own name
_SNAPSHOTS = {
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-5.1": "gpt-5.1-2025-11-13",
    "o1": "o1-2024-12-17",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}
_REASONING = re.compile(r"^(o\d|gpt-[5-9](?!.*chat))")


def canonical(model: str) -> str:
    """The name the provider answers with: a dated snapshot where one is known."""
    return _SNAPSHOTS.get(model, model)


@lru_cache(maxsize=256)
def is_reasoning(model: str) -> bool:
    """OpenAI's o-series and gpt-5 and later think before they answer, and bill the thinking."""
    return _REASONING.match(model) is not None


def identifier(prefix: str, seed: str) -> str:
    """A provider-looking id that says sandbox; the same seed gives the same id."""
    digest = blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"{prefix}sandbox{digest}"
