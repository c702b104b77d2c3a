"""Where in a batch a request stands: found for every result line."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping

from lanewise.domain.ids import SegmentId, parse_custom_id
from lanewise.domain.ordinals import Ordinals
from lanewise.store.nouns import Contents, PlacedPart


def positions(contents: Contents, requests: Mapping[SegmentId, Ordinals]) -> frozenset[int]:
    """The positions in a batch of those of its requests that are named."""
    found: list[int] = []
    for part in contents.parts:
        wanted = set(part.ordinals & requests.get(part.segment, Ordinals()))
        if wanted:
            found += [
                part.start + n for n, ordinal in enumerate(part.ordinals) if ordinal in wanted
            ]
    return frozenset(found)


class Places:
    """Where in a batch a request stands: from segment and ordinal to position."""

    def __init__(self, contents: Contents) -> None:
        self._parts: dict[SegmentId, list[tuple[int, int, int, PlacedPart]]] = defaultdict(list)
        for part in contents.parts:
            position = part.start
            for start, stop in part.ordinals.ranges:
                self._parts[part.segment].append((start, stop, position, part))
                position += stop - start
        for spans in self._parts.values():
            spans.sort(key=lambda span: span[0])
        self._starts = {
            segment: [span[0] for span in spans] for segment, spans in self._parts.items()
        }

    def position(self, custom_id: str) -> int | None:
        """The position alone."""
        found = self.find(custom_id)
        return None if found is None else found[0]

    def find(self, custom_id: str) -> tuple[int, PlacedPart] | None:
        """The position of the request that a result line answers; None if it is not in this batch."""
        named = parse_custom_id(custom_id)
        if named is None or named[0] not in self._parts:
            return None
        segment, ordinal = named
        at = bisect_right(self._starts[segment], ordinal) - 1
        if at < 0:
            return None
        start, stop, position, part = self._parts[segment][at]
        return (position + ordinal - start, part) if ordinal < stop else None
