"""A set of requests of one segment, held as ranges: a whole segment costs as much as one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise


@dataclass(frozen=True, slots=True)
class Ordinals:
    """Sorted, disjoint, non-touching half-open ranges of ordinals.

    >>> Ordinals.of([3, 1, 2, 9]).ranges
    ((1, 4), (9, 10))
    """

    ranges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if any(start >= stop for start, stop in self.ranges):
            raise ValueError("a range of ordinals must not be empty")
        if any(left[1] >= right[0] for left, right in pairwise(self.ranges)):
            raise ValueError("ranges of ordinals must be sorted and apart")

    @classmethod
    def span(cls, start: int, stop: int) -> Ordinals:
        """All from `start` up to, not including, `stop`."""
        return cls(((start, stop),)) if start < stop else cls()

    @classmethod
    def of(cls, ordinals: Iterable[int]) -> Ordinals:
        """Exactly these; order and repetition do not matter."""
        return cls(tuple(_merged((n, n + 1) for n in sorted(set(ordinals)))))

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(range(start, stop) for start, stop in self.ranges)

    def __or__(self, other: Ordinals) -> Ordinals:
        """Those in either.

        >>> (Ordinals.span(0, 3) | Ordinals.span(3, 5)).ranges
        ((0, 5),)
        """
        return Ordinals(tuple(_merged(sorted((*self.ranges, *other.ranges)))))

    def __sub__(self, other: Ordinals) -> Ordinals:
        """Those in this and not in `other`.

        >>> (Ordinals.span(0, 5) - Ordinals.of([2])).ranges
        ((0, 2), (3, 5))
        """
        return Ordinals(tuple(_without(self.ranges, other.ranges)))

    def __and__(self, other: Ordinals) -> Ordinals:
        """Those in both.

        >>> (Ordinals.span(0, 5) & Ordinals(((3, 9),))).ranges
        ((3, 5),)
        """
        return self - (self - other)

    def take(self, count: int) -> tuple[Ordinals, Ordinals]:
        """The first `count`, and the rest.

        >>> first, rest = Ordinals(((0, 2), (5, 9))).take(3)
        >>> first.ranges, rest.ranges
        (((0, 2), (5, 6)), ((6, 9),))
        """
        first: list[tuple[int, int]] = []
        for start, stop in self.ranges:
            if count <= 0:
                break
            first.append((start, min(stop, start + count)))
            count -= stop - start
        taken = Ordinals(tuple(first))
        return taken, self - taken

    def encode(self) -> bytes:
        """Gaps and lengths as variable-length integers, seven bits a byte, low bits first."""
        out = bytearray()
        position = 0
        for start, stop in self.ranges:
            _put(out, start - position)
            _put(out, stop - start)
            position = stop
        return bytes(out)

    @classmethod
    def decode(cls, data: bytes) -> Ordinals:
        """What `encode` wrote.

        >>> Ordinals.decode(Ordinals(((0, 2), (500, 900))).encode()).ranges
        ((0, 2), (500, 900))
        """
        numbers = _numbers(data)
        ranges: list[tuple[int, int]] = []
        position = 0
        for gap in numbers:
            length = next(numbers, 0)
            ranges.append((position + gap, position + gap + length))
            position += gap + length
        return cls(tuple(ranges))


def _merged(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for start, stop in ranges:
        if current is not None and start <= current[1]:
            current = (current[0], max(current[1], stop))
            continue
        if current is not None:
            yield current
        current = (start, stop)
    if current is not None:
        yield current


def _without(
    ranges: tuple[tuple[int, int], ...], holes: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, int]]:
    at = 0
    for start, stop in ranges:
        left = start
        while at < len(holes) and holes[at][1] <= left:
            at += 1
        look = at
        while look < len(holes) and holes[look][0] < stop:
            if left < holes[look][0]:
                yield left, holes[look][0]
            left = max(left, holes[look][1])
            look += 1
        if left < stop:
            yield left, stop


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _numbers(data: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("the encoded ordinals end in the middle of a number")
