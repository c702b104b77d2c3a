"""Ways to spend less: lanes for what can wait, smaller models for cheap work; each a range, with evidence."""

from lanewise.audit.levers.finding import Found, Group, find, next_steps
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.sample import Replayed, replayed
from lanewise.audit.levers.used import Prices

__all__ = ["Found", "Group", "Lever", "Prices", "Replayed", "find", "next_steps", "replayed"]
