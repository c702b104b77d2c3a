"""The levers of what is asked and how: repeats, the making of prompts, limits and histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from lanewise.audit import samples
from lanewise.audit.levers.finding import Found
from lanewise.audit.levers.lengths import length_levers
from lanewise.audit.levers.prompting import prompt_levers, units
from lanewise.audit.levers.repeats import dedupe
from lanewise.audit.levers.used import Prices
from lanewise.audit.logs.importing import Imported
from lanewise.audit.prompts import Text
from lanewise.audit.prompts.quoting import quoted
from lanewise.audit.samples import Samples

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN: Final = 3  # prompts of a workflow, where somebody wants to see any


class Asking(NamedTuple):
    """All levers with those of asking among them, and the prompts that were looked at."""

    found: Found
    samples: Samples


def asking(
    connection: DuckDBPyConnection,
    imported: Imported,
    found: Found,
    prices: Prices,
    estimated: Mapping[str, str],
) -> Asking:
    """Look for repeats in all requests, and at a few prompts of the dearest workflows.

    Needs what `find` leaves. Files are read a second time, where they are not too long for that.
    estimated: by model, what its tokens rest on where the log has none.
    """
    names = {group.id: group.name for group in found.groups}
    used = {group.id: group.used for group in found.groups}
    drawn = samples.gather(connection, imported, units(used, prices))
    more = [
        *dedupe(connection, names, prices, drawn.empty),
        *prompt_levers(drawn.texts, names, used, prices, estimated),
        *length_levers(connection, names, used, prices, estimated),
    ]
    return Asking(found.with_levers(more), drawn)


class Shown(NamedTuple):
    """A few prompts of a workflow, shortened, on one line each, with secrets masked."""

    workflow: str
    model: str
    prompts: tuple[str, ...]


def shown(found: Found, samples: Samples) -> tuple[Shown, ...]:
    """At most `SHOWN` prompts of each workflow and model that was looked at, the dearest first."""
    rows = []
    for group in found.groups:
        for (id_, _, model), texts in samples.texts.items():
            if id_ == group.id:
                rows.append(Shown(group.name, model, tuple(map(quoted, _apart(texts)))))
    return tuple(rows)


def _apart(texts: Sequence[Text]) -> list[str]:
    """Some that are not the same, of different templates where there are any: these stand apart."""
    distinct = list(dict.fromkeys(one.text for one in texts))
    steps = range(min(SHOWN, len(distinct)))
    return [distinct[step * len(distinct) // len(steps)] for step in steps]
