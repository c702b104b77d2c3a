"""Who waits for answers: facts that DuckDB adds up, signs in them, and a class with its evidence."""

from lanewise.audit.waiting.facts import OFTEN, Beat, Facts, gather, groups_found
from lanewise.audit.waiting.judging import Judged, judge
from lanewise.audit.waiting.kinds import Kind, Sign, Waiting

__all__ = [
    "OFTEN",
    "Beat",
    "Facts",
    "Judged",
    "Kind",
    "Sign",
    "Waiting",
    "gather",
    "groups_found",
    "judge",
]
