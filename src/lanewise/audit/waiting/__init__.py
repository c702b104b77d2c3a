"""Who waits for answers: facts that DuckDB adds up, signs in them, and a class with its evidence."""

from lanewise.audit.waiting.facts import Beat, Facts, gather
from lanewise.audit.waiting.judging import Judged, judge
from lanewise.audit.waiting.signs import Sign, Waiting

__all__ = ["Beat", "Facts", "Judged", "Sign", "Waiting", "gather", "judge"]
