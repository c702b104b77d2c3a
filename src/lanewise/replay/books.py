"""Who has been answered, when, by which lane, for how much: an answer is accepted once."""

from __future__ import annotations

from collections.abc import Sequence

from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.replay.nouns import Arrivals, Late, Menu, Outcome


class Books:
    """Books every answer; a second one to the same request is waste."""

    def __init__(self, arrivals: Arrivals, menu: Menu) -> None:
        self._arrivals, self._menu = arrivals, menu
        self._answered = bytearray(len(arrivals))
        self._unpromised = bytearray(len(arrivals))
        self.outcome = Outcome(requests=len(arrivals))
        everything = (sum(arrivals.input), sum(arrivals.output))
        self.outcome.baseline_nano = menu.sold(REALTIME).nano(everything)

    def missing(self, which: Sequence[int]) -> list[int]:
        """Those that have no answer."""
        return [one for one in which if not self._answered[one]]

    def answer(self, which: Sequence[int], lane: LaneName, at: float) -> None:
        """These answers came at this time and are paid for."""
        new = self.missing(which)
        for one in new:
            self._answered[one] = True
        outcome, sold = self.outcome, self._menu.sold(lane)
        paid = sold.nano(self._arrivals.tokens(new))
        outcome.lanes[lane] = outcome.lanes.get(lane, 0) + paid
        if len(new) < len(which):
            outcome.waste_nano += sold.nano(self._arrivals.tokens(which)) - paid
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
