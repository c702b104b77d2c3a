"""Ways to spend less: lanes for what can wait, smaller models for cheap work; each a range, with evidence."""

from lanewise.audit.levers.finding import Found, Group, find, next_steps
from lanewise.audit.levers.lever import Lever

__all__ = ["Found", "Group", "Lever", "find", "next_steps"]
