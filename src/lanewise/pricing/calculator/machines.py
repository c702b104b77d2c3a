"""A machine of one's own beside a provider: what it costs, and from which volume on it is cheaper."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lanewise.pricing.calculator.bills import LaneBill
from lanewise.pricing.calculator.workloads import DAYS, Workload
from lanewise.pricing.overlay import SelfHosted

_SECONDS: int = DAYS * 86_400


@dataclass(frozen=True, slots=True)
class BreakEven:
    """A month on the machine and at the provider, in pico-USD, and where the two are equal.

    `factor`: how many times the given volume breaks even; None where it never does, because each token
    costs more on the machine (`busy`), or more machines are needed before it is reached (`wall`).
    """

    machine: SelfHosted
    machines: int  # how many the volume needs
    pico: Fraction
    provider_pico: Fraction
    factor: Fraction | None
    tokens: Fraction  # in and out, a month at the given volume

    @property
    def cheaper(self) -> bool:
        """Whether the machine is cheaper at the given volume."""
        return self.pico < self.provider_pico

    @property
    def tokens_per_day(self) -> Fraction | None:
        """The volume that breaks even, in and out together; None where there is none."""
        return None if self.factor is None else self.factor * self.tokens / DAYS


def break_even(machine: SelfHosted, work: Workload, bill: LaneBill) -> BreakEven | None:
    """Compare a month of the workload on the machine with a lane's bill; None if that is unknown.

    `busy`: the machine is shared and a workload pays for the seconds that it uses, so the comparison is the
    same at any volume. `wall`: it is rented by the month (720 hours) and idles at one's own expense.
    """
    if bill.pico is None:
        return None
    tokens = sum(
        (point.requests * (point.input + point.output) for point in work.points), Fraction(0)
    )
    hourly = machine.pico_per_hour
    if machine.allocation == "busy":
        pico = tokens / machine.tokens_per_second / 3_600 * hourly
        return BreakEven(machine, 1, pico, bill.pico, None, tokens)
    capacity = machine.tokens_per_second * _SECONDS * machine.utilization
    machines = max(1, -(-tokens // capacity))
    fixed = hourly * DAYS * 24
    factor = _factor(fixed, capacity, tokens, bill.pico)
    return BreakEven(machine, machines, fixed * machines, bill.pico, factor, tokens)


def _factor(
    fixed: Fraction, capacity: Fraction, tokens: Fraction, pico: Fraction
) -> Fraction | None:
    """The volume, in times the given one, from which full machines are no dearer."""
    if not pico or not tokens or fixed / capacity > pico / tokens:
        return None
    return fixed / pico
