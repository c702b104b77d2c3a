"""What DuckDB cannot be handed as it is gets a file or a link with a plain name in the audit's own folder."""

from __future__ import annotations

import codecs
import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from lanewise.audit.logs.layouts import Layout, Look, packing
from lanewise.errors import BadInput
from lanewise.intake.sources import blocks

_SUFFIX: dict[Layout, str] = {
    "lines": ".jsonl",
    "array": ".json",
    "document": ".json",
    "csv": ".csv",
    "parquet": ".parquet",
}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_GLOB = set("*?[{")  # DuckDB takes paths for globs, and there is no escape


class NoRoomError(BadInput):
    """The folder of the audit is full: no file can be copied, however good it is."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder for copies and links, which is deleted with the audit's database."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def copied(self, parts: Iterable[bytes], name: str) -> Path:
        """A file of these bytes. Raises `NoRoomError` where it does not fit."""
        path = self._new(name)
        try:
            with path.open("wb") as file:
                file.writelines(parts)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise NoRoomError(
                f"cannot copy {name} to {self.folder}: {error.strerror}; TMPDIR names another folder"
            ) from None
        return path

    def readable(self, path: str, look: Look) -> str:
        """The path under which DuckDB reads a file rightly: its own, or that of a link or a copy."""
        if look.encoding:
            return str(self.copied(_as_utf8(path, look.encoding), "log" + _SUFFIX[look.layout]))
        if packing(path) == look.packed and not _GLOB & set(path):
            return path
        link = self._new("log" + _SUFFIX[look.layout] + look.packed)
        link.symlink_to(Path(path).absolute())
        return str(link)

    def _new(self, name: str) -> Path:
        self.folder.mkdir(exist_ok=True)
        plain = "".join("_" if letter in _GLOB else letter for letter in Path(name).name)
        return self.folder / f"{next(self._numbers)}-{plain}"


def _as_utf8(path: str, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for block in blocks(path):
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()
