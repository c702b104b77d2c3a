"""Ways to spend less: lanes, smaller models, asking once, shorter prompts; each a range, with evidence."""

from lanewise.audit.levers.asking import Asking, Shown, asking, shown
from lanewise.audit.levers.finding import Found, Group, find
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.sample import Replayed, replayed
from lanewise.audit.levers.steps import next_steps
from lanewise.audit.levers.used import Prices

__all__ = [
    "Asking",
    "Found",
    "Group",
    "Lever",
    "Prices",
    "Replayed",
    "Shown",
    "asking",
    "find",
    "next_steps",
    "replayed",
    "shown",
]
