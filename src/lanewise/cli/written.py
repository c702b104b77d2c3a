"""Files that commands write: none is overwritten without `--force`, and `-` is standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar
from uuid import uuid4

import click

from lanewise.errors import BadInput, StoreUnusable
from lanewise.store.disk import PRIVATE_FILE

F = TypeVar("F", bound=Callable[..., Any])

STDOUT: Final = Path("-")

# Read before the options that name files, which ask whether it was given.
force_option = click.option(
    "--force", is_flag=True, is_eager=True, help="Overwrite a file that is there."
)


class Target(click.Path):
    """The type of every option and argument that names a file to write."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)


def target_option(*names: str, says: str, required: bool = False) -> Callable[[F], F]:
    """An option that names a file to write; the command takes `force_option` too."""
    return click.option(
        *names, type=Target(), metavar="FILE", required=required, callback=free, help=says
    )


def results_option(says: str) -> Callable[[F], F]:
    """`-o` for results. The command itself asks what is there: see `refuse_other_results`."""
    return click.option(
        "-o", "--output", type=Target(), metavar="FILE", callback=_writable, help=says
    )


def free(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """The file, if it may be written; raises `BadInput` before the command does anything."""
    _writable(context, parameter, path)
    if path is not None and not context.params["force"]:
        refuse_overwriting(path)
    return path


def refuse_overwriting(path: Path) -> None:
    """Raises `BadInput` where a file is there: one that is in use is not overwritten unasked."""
    if is_there(path):
        raise BadInput(f"{path} is there already; --force overwrites it")


def is_there(path: Path) -> bool:
    """Whether something is there that writing to it would end: a file, or a link, wherever it leads."""
    return path != STDOUT and os.path.lexists(path) and not _takes_anything(path)


def refuse_other_results(path: Path | None, lines: Iterable[bytes], *, force: bool) -> None:
    """Raises `BadInput` where a file is there that has anything but some of these lines, in their order.

    So a command that is given again writes its results again, and loses nothing of anybody else's.
    """
    if path is not None and not force and is_there(path) and not _are_among(path, lines):
        refuse_overwriting(path)


def _are_among(path: Path, lines: Iterable[bytes]) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as there:
        held = next(there, None)
        for line in lines:
            if held is None:
                break
            held = next(there, None) if held == line else held
        return held is None


def _writable(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Whether it can be written is known before anything is done for it."""
    if path is None or path == STDOUT or _takes_anything(path):
        return path
    named = f"{parameter.opts[-1] if parameter.opts[0].startswith('-') else 'FILE'} names {path}"
    if path.is_dir():
        raise BadInput(f"{named}, which is a folder; name a file")
    if not path.parent.is_dir():
        raise BadInput(f"{named}, but {path.parent} is no folder; name a file in one")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise BadInput(f"{named}, but nothing can be written in {path.parent}; name another folder")
    return path


def _takes_anything(path: Path) -> bool:
    """Whether it is a pipe or a device, such as /dev/null: nothing in it can be lost."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def writing(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A file that is there whole or not at all; standard output, pipes and devices take it as it comes.

    `mode`: who may read a new file, less what the umask takes away. Raises `StoreUnusable` where it cannot
    be written.
    """
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if _takes_anything(path):
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StoreUnusable(f"writing {path} failed: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write a text; raises `BadInput` where a file has come there since the command began."""
    if not force:
        refuse_overwriting(path)
    with writing(path) as file:
        file.write(text.encode())


def write_results(path: Path, lines: Iterable[bytes]) -> int:
    """Write result lines, for their owner only; returns how many."""
    count = 0
    with writing(path, PRIVATE_FILE) as file:
        for line in lines:
            file.write(line)
            count += 1
    return count
