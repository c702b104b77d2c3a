"""Logs at an address: copied to the audit's own folder as they are, since they are read more than once.

http:// and https:// are fetched with httpx2; all others, such as s3:// and gs://, with the file system that
fsspec has for them, which finds the credentials where its provider's own tools do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from lanewise.audit.logs.layouts import READABLE, suffix
from lanewise.audit.logs.staging import Stage
from lanewise.errors import BadInput

_BLOCK: Final = 1 << 20
_GLOB: Final = set("*?[")


def is_address(path: str) -> bool:
    """Whether a path is an address such as s3://bucket/logs/*.jsonl."""
    return "://" in path


def shown(address: str) -> str:
    """An address without what may be secret in it: a password, a signature.

    >>> shown("https://me:secret@host/log.jsonl?signature=secret")
    'https://host/log.jsonl'
    """
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return address.partition("?")[0] if "@" in parts.netloc else address


def fetch(address: str, stage: Stage) -> Iterator[tuple[str, Path]]:
    """Copies of what lies at an address, a file, a folder or a glob, each with its name.

    Raises `BadInput` where nothing is, or where it cannot be reached or read.
    """
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https"):
        yield shown(address), stage.copied(_downloaded(address), PurePosixPath(shown(address)).name)
        return
    system, path = _file_system(address, scheme)
    with _explained(address):
        names = _names(system, path)
    if not names:
        raise BadInput(f"nothing at {shown(address)}")
    for name in names:
        with _explained(address):
            copy = stage.copied(_read(system, name), name)
        yield f"{scheme}://{name.lstrip('/')}", copy


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """The errors of a file system, of whatever kind, without what they may give away."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - each file system raises its own
        raise BadInput(
            f"cannot read {shown(address)}: {type(error).__name__}; check the address, and the credentials "
            "and endpoint in the environment or the profile (for s3://: AWS_PROFILE, AWS_REGION, "
            "AWS_ENDPOINT_URL)"
        ) from None


def _downloaded(address: str) -> Iterator[bytes]:
    import httpx2

    try:
        with httpx2.stream("GET", address, follow_redirects=True, timeout=60) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise BadInput(f"cannot read {shown(address)}: it answered {answer.status_code}")
            yield from answer.iter_raw(_BLOCK)
    except httpx2.HTTPError as error:
        kind = type(error).__name__
        raise BadInput(
            f"cannot read {shown(address)}: {kind}; is it reachable from here?"
        ) from None


def _file_system(address: str, scheme: str) -> tuple[Any, str]:
    """The file system for an address, and the path in it."""
    try:
        import fsspec
    except ImportError:
        raise BadInput(_wanted(address, scheme)) from None
    try:
        system, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError):
        raise BadInput(_wanted(address, scheme)) from None
    return system, path


def _wanted(address: str, scheme: str) -> str:
    needs = (
        "pip install 'lanewise[s3]'" if scheme == "s3" else f"a file system of fsspec for {scheme}"
    )
    copy = "aws s3 cp --recursive" if scheme == "s3" else "copy"
    return (
        f"cannot read {shown(address)}: {scheme}:// needs {needs}; or get the files here ({copy} ...) and "
        "name their folder"
    )


def _names(system: Any, path: str) -> list[str]:
    if _GLOB & set(path):
        found = system.glob(path)
    elif system.isfile(path):
        return [path]
    else:
        found = [name for name in system.find(path) if suffix(name) in READABLE]
    return sorted(str(name) for name in found)


def _read(system: Any, name: str) -> Iterator[bytes]:
    with system.open(name, "rb", block_size=8 * _BLOCK, cache_type="readahead") as file:
        while block := file.read(_BLOCK):
            yield block
