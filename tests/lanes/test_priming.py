"""How long a group waits for the one that goes ahead is weighed against what the wait costs."""

from __future__ import annotations

from typing import Any, Final

import pytest

from lanewise.domain.lanes import BATCH
from lanewise.lanes.priming import Priming
from lanewise.policy.outlook import Curve, Sample

CURVE: Final = Curve((0.0, 600.0, 3_600.0, 36_000.0), (1.0, 0.4, 0.2, 0.0), "made up", Sample(0, 0))


class At:
    """A shift of which only the time is asked."""

    def now(self) -> float:
        return 1_000.0


def priming(leave_by: float | None) -> Any:
    shift: Any = At()
    return Priming(shift, BATCH, leave_by)


def test_a_longer_wait_is_surer_to_pay_off_and_makes_more_of_the_others_late() -> None:
    waits = priming(1_000.0 + 7_200.0)._waits(CURVE, CURVE)
    assert [wait.lands for wait in waits] == [0.5, 0.7, 0.9]
    assert [wait.landing for wait in waits] == [CURVE.quantile(p) for p in (0.5, 0.7, 0.9)]
    assert 0.0 < waits[0].late < waits[1].late < waits[2].late


def test_who_has_all_the_time_is_made_late_by_no_wait() -> None:
    assert [wait.late for wait in priming(None)._waits(CURVE, CURVE)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("wait", [500.0, 2_000.0])
@pytest.mark.parametrize("left", [1_000.0, 5_000.0, 30_000.0])
def test_what_a_wait_makes_late_is_the_share_that_would_have_been_done_and_now_is_not(
    wait: float, left: float
) -> None:
    times = [CURVE.quantile((n + 0.5) / 1_000) or 0.0 for n in range(1_000)]
    waited = sum(min(time, wait) + own <= left for time in times[::20] for own in times) / 50_000
    unwaited = sum(own <= left for own in times) / 1_000
    found = priming(1_000.0 + left)._late(
        CURVE, [CURVE.quantile((n + 0.5) / 10) for n in range(10)], wait
    )
    assert found == pytest.approx(unwaited - waited, abs=0.02)
