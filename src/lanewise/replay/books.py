"""Who has been answered, when, by which lane, for how much: an answer is accepted once."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import inf

from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.replay.nouns import Arrivals, Late, Menu, Outcome


class Books:
    """Books every answer; a second one to the same request is waste."""

    def __init__(self, arrivals: Arrivals, menu: Menu) -> None:
        self._arrivals, self._menu = arrivals, menu
        self.answered_at = array("d", [inf]) * len(arrivals)  # infinite while there is no answer
        self.lane = bytearray(len(arrivals))  # that answered it: its place in `lanes`
        self.lanes = tuple(found.offer.lane for found in menu.lanes)
        self._unpromised = bytearray(len(arrivals))
        self.outcome = Outcome(requests=len(arrivals))
        self.outcome.baseline_nano = arrivals.nano(menu.sold(REALTIME), range(len(arrivals)))

    def missing(self, which: Sequence[int]) -> list[int]:
        """Those that have no answer."""
        answered = self.answered_at
        return [one for one in which if answered[one] == inf]

    def answer(self, which: Sequence[int], lane: LaneName, at: float) -> None:
        """These answers came at this time and are paid for."""
        new, place = self.missing(which), self.lanes.index(lane)
        for one in new:
            self.answered_at[one], self.lane[one] = at, place
        outcome, sold = self.outcome, self._menu.sold(lane)
        paid = self._arrivals.nano(sold, new)
        outcome.lanes[lane] = outcome.lanes.get(lane, 0) + paid
        if len(new) < len(which):
            outcome.waste_nano += self._arrivals.nano(sold, which) - paid
        outcome.answered += len(new)
        outcome.ended_at = max(outcome.ended_at, at)
        self._note_late(new, lane, at)

    def unpromised(self, which: Sequence[int]) -> None:
        """Real time had no room for these when they were first sent: their deadlines were not promised."""
        for one in which:
            self._unpromised[one] = True
        self.outcome.unpromised += len(which)

    def _note_late(self, which: Sequence[int], lane: LaneName, at: float) -> None:
        deadline = self._arrivals.deadline
        self.outcome.late += [
            Late(one, at - deadline[one], not self._unpromised[one], lane)
            for one in which
            if at > deadline[one]
        ]
