"""Ways to spend less: lanes for what can wait, smaller models for cheap work; each a range, with evidence."""

from lanewise.audit.levers.finding import Found, Group, find, next_steps
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.sample import Replayed, replayed

__all__ = ["Found", "Group", "Lever", "Replayed", "find", "next_steps", "replayed"]
