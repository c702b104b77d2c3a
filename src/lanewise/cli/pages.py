"""`--html FILE`: pages as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lanewise.errors import BadInput
from lanewise.store.disk import explained

if TYPE_CHECKING:
    from lanewise.reports import Page


def _beside(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Whether it can be written is known before anything is read for it."""
    if path is not None and not path.parent.is_dir():
        raise BadInput(f"--html names {path}, but {path.parent} is no folder; name a file in one")
    return path


html_option = click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", callback=_beside,
    help="Write a page to open, print or send.",
)  # fmt: skip


def write_page(path: Path, page: Page) -> None:
    """Write a page, in place of what is there. Raises `StoreUnusable` where it cannot be written."""
    from lanewise.reports import render

    text = render(page)
    with explained(f"writing {path}", path.parent):
        path.write_text(text, encoding="utf-8")
    click.echo(f"wrote {path}", err=True)
