"""Ways to spend less: lanes for what can wait, caches, smaller models; each a range, with evidence."""

from lanewise.audit.levers.finding import Found, Group, find, next_steps
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.prefixes import Cached, Caches
from lanewise.audit.levers.replays import Replayed, replayed
from lanewise.audit.levers.sample import Sample, sample
from lanewise.audit.levers.used import Prices

__all__ = [
    "Cached",
    "Caches",
    "Found",
    "Group",
    "Lever",
    "Prices",
    "Replayed",
    "Sample",
    "find",
    "next_steps",
    "replayed",
    "sample",
]
