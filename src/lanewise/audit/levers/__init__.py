"""Ways to spend less: lanes, caches, smaller models, asking once, shorter prompts; each with its evidence."""

from lanewise.audit.levers.asking import Asking, Shown, asking, shown
from lanewise.audit.levers.finding import Found, Group, find
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.prefixes import Cached, Caches
from lanewise.audit.levers.replays import Replayed, replayed
from lanewise.audit.levers.sample import Sample, sample
from lanewise.audit.levers.steps import next_steps
from lanewise.audit.levers.used import Prices

__all__ = [
    "Asking",
    "Cached",
    "Caches",
    "Found",
    "Group",
    "Lever",
    "Prices",
    "Replayed",
    "Sample",
    "Shown",
    "asking",
    "find",
    "next_steps",
    "replayed",
    "sample",
    "shown",
]
