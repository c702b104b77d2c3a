"""Where requests come from: files, streams, and values in memory; compressed or not."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from lanewise.errors import BadInput

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_BOM: Final = b"\xef\xbb\xbf"
_HEAD: Final = 4  # bytes that tell what a stream is


@runtime_checkable
class BinaryStream(Protocol):
    """Anything that reads bytes: a pipe, a socket's file, `sys.stdin.buffer`. It is not closed here."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


Source: TypeAlias = str | os.PathLike[str] | BinaryStream | Iterable[dict[str, Any] | bytes]
"""A path, `-` for standard input, a binary stream, or requests in memory (a dict or JSON each)."""


def name_of(source: Source) -> str:
    """What to call a source when talking to people.

    >>> name_of("-"), name_of("more.jsonl"), name_of([])
    ('stdin', 'more.jsonl', 'requests')
    """
    if isinstance(source, str | os.PathLike):
        return "stdin" if source == "-" else os.fspath(source)
    name = getattr(source, "name", None)
    return name.strip("<>") if isinstance(name, str) else "requests"


def blocks(
    source: str | os.PathLike[str] | BinaryStream, *, unpack: bool = True
) -> Iterator[bytes]:
    """The text of a stream in blocks of at most 1 MiB, without a byte order mark; decompressed, or not.

    Raises `BadInput` naming the source if it cannot be opened, read or decompressed to its end.
    """
    name = name_of(source)
    with _explained(name), _opened(source) as stream:
        whole = _Rest(_head(stream), stream)
        plain = _decompressed(whole) if unpack else whole
        head = _head(plain, len(_BOM))
        if head and head != _BOM:
            yield head
        while block := plain.read(BLOCK):
            yield block


@contextmanager
def _opened(source: str | os.PathLike[str] | BinaryStream) -> Iterator[BinaryStream]:
    if source == "-":
        yield sys.stdin.buffer
    elif isinstance(source, str | os.PathLike):
        with open(source, "rb", buffering=0) as file:  # noqa: PTH123 - blocks are large already
            yield file
    else:
        yield source


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what can go wrong with a source into the one error that names it."""
    try:
        yield
    except IsADirectoryError:
        raise BadInput(f"cannot read {name}: it is a directory; name the files in it") from None
    except FileNotFoundError:
        raise BadInput(f"cannot read {name}: there is no such file") from None
    except EOFError:
        raise BadInput(
            f"cannot read {name} to its end: the compressed data is cut off; make the file again"
        ) from None
    except (gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise BadInput(
            f"cannot decompress {name}: {error}; check it with gzip -t or zstd -t"
        ) from None
    except OSError as error:
        raise BadInput(f"cannot read {name}: {error.strerror or error}") from None


def _head(stream: BinaryStream, size: int = _HEAD) -> bytes:
    """The first `size` bytes, however few the stream gives at a time."""
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head


class _Rest(io.RawIOBase):
    """A stream whose first bytes were read already: a pipe cannot be rewound."""

    def __init__(self, head: bytes, stream: BinaryStream) -> None:
        self.head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self.head:
            head, self.head = self.head[:size], self.head[size:]
            return head
        return self._stream.read(size)


def _decompressed(stream: _Rest) -> BinaryStream:
    """By what the first bytes say; a file's name proves nothing."""
    if stream.head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=stream, mode="rb")
    if stream.head.startswith(_ZSTD):
        return zstd.ZstdFile(stream, "rb")
    return stream
