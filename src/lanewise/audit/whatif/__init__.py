"""What-if: logged traffic replayed under a policy, in virtual time, with the lanes' own decisions.

    plan = planned(traffic(connection), policy, book, zones)
    seeds = [replayed(plan, seed, "typical") for seed in range(10)]
    found = summed(plan, seeds)

docs/how-to/simulate.md says what each figure means.
"""

from lanewise.audit.whatif.figures import (
    ENOUGH,
    Difference,
    Quota,
    Range,
    Summary,
    difference,
    spread,
    summed,
)
from lanewise.audit.whatif.hours import Hour
from lanewise.audit.whatif.known import NAMES, NOTHING_KNOWN, Curves, Known, Limit, Numbers
from lanewise.audit.whatif.plan import Aside, Plan
from lanewise.audit.whatif.planning import planned
from lanewise.audit.whatif.replaying import LEARNED, MODELS, Seed, Use, replayed
from lanewise.audit.whatif.traffic import Logged, traffic

__all__ = [
    "ENOUGH",
    "LEARNED",
    "MODELS",
    "NAMES",
    "NOTHING_KNOWN",
    "Aside",
    "Curves",
    "Difference",
    "Hour",
    "Known",
    "Limit",
    "Logged",
    "Numbers",
    "Plan",
    "Quota",
    "Range",
    "Seed",
    "Summary",
    "Use",
    "difference",
    "planned",
    "replayed",
    "spread",
    "summed",
    "traffic",
]
