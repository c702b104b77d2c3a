"""The levers of what is asked and how: repeats, the making of prompts, limits and histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lanewise.audit import samples
from lanewise.audit.importing import Imported
from lanewise.audit.levers.finding import Found
from lanewise.audit.levers.lengths import length_levers
from lanewise.audit.levers.prompting import prompt_levers, units
from lanewise.audit.levers.repeats import dedupe
from lanewise.audit.levers.used import Prices
from lanewise.audit.samples import Samples

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Asking(NamedTuple):
    """All levers with those of asking among them, and the prompts that were looked at."""

    found: Found
    samples: Samples


def asking(
    connection: DuckDBPyConnection, imported: Imported, found: Found, prices: Prices
) -> Asking:
    """Look for repeats in all requests, and at a few prompts of the dearest workflows.

    Needs what `find` leaves. Files are read a second time, where they are not too long for that.
    """
    names = {group.id: group.name for group in found.groups}
    used = {group.id: group.used for group in found.groups}
    drawn = samples.gather(connection, imported, units(used, prices))
    more = [
        *dedupe(connection, names, prices, drawn.empty),
        *prompt_levers(drawn.texts, names, used, prices),
        *length_levers(connection, names, used, prices),
    ]
    return Asking(found.with_levers(more), drawn)
