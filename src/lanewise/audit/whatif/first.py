"""The lane that is chosen for a request when it comes, as the lanes choose it before they know of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from lanewise.audit.whatif.known import Known
from lanewise.audit.whatif.lanes import Costs, Stream, Way, sold_of
from lanewise.domain.deadlines import Deadline
from lanewise.domain.lanes import LaneName
from lanewise.policy.choosing import Chooser, Option

_Class: TypeAlias = tuple[Stream, frozenset[LaneName], int]  # and the day whose prices hold
_DAY = 86_400


class FirstLanes:
    """Remembers choices of requests that are alike."""

    def __init__(self, costs: Costs, known: Known) -> None:
        self._costs, self._known = costs, known
        self._chooser: Chooser[_Class] = Chooser(self._options)

    def of(self, way: Way, due: Deadline, at: float) -> LaneName:
        """The lane of a request that may wait."""
        return self._chooser.choose((way.stream, way.lanes, int(at // _DAY)), due, at).lane

    def _options(self, of: _Class) -> Sequence[Option]:
        stream, lanes, day = of
        return [
            Option(
                sold.offer,
                sold.typical_nano or 0,
                self._known.curves(stream.provider, stream.model, sold.offer.lane),
                sold.needs or 0.0,
                self._known.refuses(stream.provider, stream.model, sold.offer),
            )
            for sold in sold_of(stream, float(day * _DAY), self._costs)
            if sold.offer.lane in lanes
        ]
