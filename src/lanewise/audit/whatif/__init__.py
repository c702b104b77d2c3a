"""What-if: logged traffic replayed under a policy, in virtual time, with the lanes' own decisions.

    plan = planned(traffic(connection), policy, book, zones)
    seeds = [replayed(plan, seed, "typical") for seed in range(10)]
    found = summed(plan, seeds)

docs/how-to/simulate.md says what each figure means.
"""

from lanewise.audit.whatif.figures import Range, Summary, difference, spread, summed
from lanewise.audit.whatif.hours import Hour
from lanewise.audit.whatif.lanes import MODELS
from lanewise.audit.whatif.planning import Plan, planned
from lanewise.audit.whatif.replaying import Curves, Seed, replayed
from lanewise.audit.whatif.traffic import Logged, traffic

__all__ = [
    "MODELS",
    "Curves",
    "Hour",
    "Logged",
    "Plan",
    "Range",
    "Seed",
    "Summary",
    "difference",
    "planned",
    "replayed",
    "spread",
    "summed",
    "traffic",
]
