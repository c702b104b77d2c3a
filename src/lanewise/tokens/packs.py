"""How many batches requests fill, by the same rule by which they are accepted and packed."""

from __future__ import annotations

from dataclasses import dataclass, field

from lanewise.domain.packing import Limits


@dataclass(frozen=True, slots=True)
class Pack:
    """Requests that share batches."""

    provider: str
    endpoint: str
    model: str  # "" where a batch may hold several
    requests: int
    bytes: int
    batches: int
    full: dict[str, int]  # which limit ended how many batches: "requests", "bytes", ...
    limits: Limits

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "provider": self.provider,
            "endpoint": self.endpoint,
            "model": self.model or None,
            "requests": self.requests,
            "bytes": self.bytes,
            "batches": self.batches,
            "full_by": self.full,
            "limits": {
                "requests": self.limits.batch_requests,
                "bytes": self.limits.batch_bytes,
                "request_bytes": self.limits.line_bytes,
                "embedding_inputs": self.limits.embedding_inputs,
                "creations_per_hour": self.limits.creations_per_hour,
            },
        }


@dataclass(slots=True)
class Filling:
    """Fills batches one request after the other. `around`: bytes of a line but for body and number."""

    limits: Limits
    around: int
    requests: int = 0
    bytes: int = 0
    batches: int = 0
    full: dict[str, int] = field(default_factory=dict)
    _held: tuple[int, int, int] = (0, 0, 0)  # requests, bytes and units of the batch being filled

    def add(self, length: int, units: int) -> int | None:
        """Put one body in. Returns the limit that it exceeds by itself: then it is left out."""
        most = min(self.limits.line_bytes, self.limits.batch_bytes)
        line = self.around + _DIGITS + length
        if line > most:
            return most
        requests, size, inputs = self._held
        exceeded = self.limits.exceeded(requests + 1, size + line, inputs + units)
        if requests == 0:
            self.batches += 1
        elif exceeded is not None:
            self.full[exceeded] = self.full.get(exceeded, 0) + 1
            self.batches += 1
            requests = size = inputs = 0
        self._held = requests + 1, size + self.around + len(str(requests)) + length, inputs + units
        self.requests += 1
        self.bytes += length
        return None


_DIGITS = 9  # room for the number of a line, as the writer of segments leaves it
