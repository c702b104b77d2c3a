"""`--html FILE`: pages as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lanewise.cli.written import STDOUT, target_option, write_text

if TYPE_CHECKING:
    from lanewise.reports import Page

html_option = target_option("--html", says="Write a page to open, print or send.")


def write_page(path: Path, page: Page, *, force: bool) -> None:
    """Write a page. Raises `StoreUnusable` where it cannot be written."""
    from lanewise.reports import render

    write_text(path, render(page), force=force)
    if path != STDOUT:
        click.echo(f"wrote {path}", err=True)
