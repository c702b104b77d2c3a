"""Files that are there after a power cut: every write that a promise rests on goes through here."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lanewise.errors import StoreUnusable

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600


def make_private(directory: Path) -> None:
    """Create a directory that only its owner may enter; one that exists is closed to others."""
    directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    if directory.stat().st_mode & 0o077:
        directory.chmod(PRIVATE_DIRECTORY)


def open_private(path: Path, flags: int) -> int:
    """Open a file that only its owner may read, creating it where the flags say so."""
    return os.open(path, flags | os.O_CLOEXEC, PRIVATE_FILE)


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte: the kernel may take fewer than it is offered."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(directory: Path) -> None:
    """Make the directory's entries durable: a new name is not on disk before this."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_durably(temporary: Path, final: Path) -> None:
    """Give a file that is already synced its final name, for good."""
    temporary.replace(final)
    sync_directory(final.parent)


@contextmanager
def explained(doing: str, home: Path) -> Iterator[None]:
    """Turn what the operating system says about `home` into what a person can act on."""
    try:
        yield
    except OSError as error:
        raise StoreUnusable(f"{doing} failed: {_reason(error, home)}") from error


def _reason(error: OSError, home: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"no space left on the disk of {home}. Nothing was lost; free some space "
            "(`lanewise clean` removes bodies and answers past their retention) and run the same again"
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{home} cannot be written ({error.strerror}). Choose another with LANEWISE_HOME"
    return f"{error.strerror or error} ({home})"


class FileLock:
    """An advisory lock that the kernel releases when its holder dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self, *, wait: bool) -> bool:
        """Hold the lock; without `wait`, False if somebody else holds it."""
        fd = open_private(self._path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        """Let go; nothing happens if it is not held."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def remove(self) -> None:
        """Let go, and take the file away: nobody will ask for this lock again."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        self.release()
