"""Prompt caches as the providers bill them: automatic at OpenAI, asked for at Anthropic.

A PromptCache keeps its entries in memory; where they are shared, or seen otherwise, `alive` and `remember`
are overridden. Its clock is the `now` of each call, in unix seconds. In a batch, of what is there:
at OpenAI a fifth of the requests, chosen by their id, find nothing [assumed: hits do occur, nobody
publishes how many]; at Anthropic all find it but for the share that `hits` leaves [measured by two
users: 100 %; Anthropic publishes 30 % to 98 %].
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import takewhile
from zlib import crc32

OPENAI_LEAST = 1024  # tokens [documented]
OPENAI_STEP = 128
OPENAI_IDLE_SECONDS = 600  # 5 to 10 minutes [documented]
OPENAI_BATCH_HITS = 0.8
LOOKBACK_BLOCKS = 20  # [documented]
SECONDS = {"5m": 300, "1h": 3600}
# shortest prefix that Anthropic caches, in tokens [documented, Aug 2026]; 1,024 for the rest
_LEAST = (
    ("claude-opus-4-8", 1024), ("claude-opus-4-7", 2048), ("claude-opus-4-6", 4096),
    ("claude-opus-4-5", 4096), ("claude-haiku-4-5", 4096), ("claude-opus-5", 512),
    ("claude-fable-5", 512), ("claude-mythos-5", 512),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """One block of an Anthropic prompt: its JSON, its tokens, and its cache marker's ttl if any."""

    data: bytes
    tokens: int
    ttl: str | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """How the tokens of a prompt are billed: disjoint parts."""

    read: int = 0
    write_5m: int = 0
    write_1h: int = 0


def least_prefix(model: str) -> int:
    """The shortest prefix of this Claude model that is cached, in tokens."""
    return next((least for name, least in _LEAST if model.startswith(name)), 1024)


def _lucky(lane: str, seed: str, share: float) -> bool:
    return lane != "batch" or crc32(seed.encode("utf-8", "replace")) % 1_000 < share * 1_000


class PromptCache:
    """What one account's provider remembers of earlier prompts: prefix hashes and their expiry."""

    def __init__(self, limit: int = 20_000, *, hits: float = 1.0) -> None:
        self._expiry: OrderedDict[str, float] = OrderedDict()
        self._limit, self._hits = limit, hits

    def openai(
        self, model: str, text: str, tokens: int, *, now: float, lane: str, seed: str
    ) -> int:
        """Tokens of this prompt read from the cache; the prompt's prefixes are remembered."""
        if tokens < OPENAI_LEAST:
            return 0
        keys = _chain(model, text)
        lucky = _lucky(lane, seed, OPENAI_BATCH_HITS)
        found = sum(1 for _ in takewhile(lambda key: self.alive(key, now), keys)) if lucky else 0
        self.remember(keys, now, OPENAI_IDLE_SECONDS)
        return min(OPENAI_LEAST + (found - 1) * OPENAI_STEP, tokens) if found else 0

    def anthropic(
        self, model: str, blocks: Sequence[Block], *, now: float, lane: str, seed: str
    ) -> Split:
        """How the marked prefixes of this prompt are billed; they are remembered or refreshed."""
        keys, sums = _prefixes(model, blocks)
        marks = [
            i for i, block in enumerate(blocks) if block.ttl and sums[i] >= least_prefix(model)
        ]
        if not marks:
            return Split()
        hit = self._longest(keys, marks, now) if _lucky(lane, seed, self._hits) else None
        read = sums[hit] if hit is not None else 0
        written, done = {"5m": 0, "1h": 0}, read
        for mark in marks:
            ttl = blocks[mark].ttl or "5m"
            written[ttl] += max(sums[mark] - done, 0)
            done = max(done, sums[mark])
            self.remember([keys[mark]], now, SECONDS[ttl])
        return Split(read, written["5m"], written["1h"])

    def _longest(self, keys: list[str], marks: list[int], now: float) -> int | None:
        looked = (
            at
            for mark in reversed(marks)
            for at in range(mark, max(mark - LOOKBACK_BLOCKS, -1), -1)
        )
        return next((at for at in looked if self.alive(keys[at], now)), None)

    def alive(self, key: str, now: float) -> bool:
        """Whether this prefix is there."""
        return self._expiry.get(key, 0.0) > now

    def remember(self, keys: Sequence[str], now: float, seconds: float) -> None:
        """Keep these for so long."""
        for key in keys:
            self._expiry[key] = max(now + seconds, self._expiry.get(key, 0.0))
            self._expiry.move_to_end(key)
        while len(self._expiry) > self._limit:
            self._expiry.popitem(last=False)


def _chain(model: str, text: str) -> list[str]:
    data = text.encode("utf-8", "replace")
    running = blake2b(model.encode(), digest_size=9)
    running.update(data[: OPENAI_LEAST * 4])
    keys = [running.hexdigest()]
    for start in range(OPENAI_LEAST * 4, len(data) - OPENAI_STEP * 4 + 1, OPENAI_STEP * 4):
        running.update(data[start : start + OPENAI_STEP * 4])
        keys.append(running.hexdigest())
    return keys


def _prefixes(model: str, blocks: Sequence[Block]) -> tuple[list[str], list[int]]:
    running, total = blake2b(model.encode(), digest_size=9), 0
    keys, sums = [], []
    for block in blocks:
        running.update(block.data)
        total += block.tokens
        keys.append(running.hexdigest())
        sums.append(total)
    return keys, sums
