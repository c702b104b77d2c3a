"""How far an audit or a what-if is, on a terminal's standard error while it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lanewise.app.progress import Progress


@contextmanager
def shown() -> Iterator[Progress]:
    """One line that says what is being done and how far it is; nothing where nobody looks on."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    progress, console = Progress(), Console(stderr=True)
    if not console.is_terminal:
        yield progress
        return
    with Live(
        get_renderable=lambda: Text(progress.words()), console=console, transient=True,
        redirect_stdout=False, redirect_stderr=False,
    ):  # fmt: skip
        yield progress
