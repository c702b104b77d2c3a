"""Tables of what was found in logs: names in them are shown as they are, never as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH: Final = 140  # where the output goes into a file or another program


def print_table(table: Table, width: int = _WIDTH) -> None:
    """On a terminal as wide as that is, else `width` columns."""
    from rich.console import Console

    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(width=width, markup=False, emoji=False)
    console.print(table)
