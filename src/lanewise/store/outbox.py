r"""What lanewise sent of a batch itself, and what came back: two append-only files for each holder's fence.

``FENCE.calls``
    One line for each thing that happened, `\n` ended, positions as in the batch:

    ======================  ==================================================================
    ``sent AT P P P ...``   these are about to be sent
    ``took AT P ID``        the provider works on it in the background, under its own ID
    ``back P``              the provider certainly did not take it: it may be sent again
    ``lost P``              nobody will know what became of it: it is not sent again here
    ======================  ==================================================================
``FENCE.answers``
    Result lines in the provider's own form for results of batches.

A call is written down before it is made and its answer before anybody hears of it, so a crash costs at most
the calls in flight: sent, with nothing known of what became of them. A half-written last line counts as
not written. Files of older fences are read and never written to.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from lanewise.store.disk import explained, make_private, open_private, replace_durably, write_all
from lanewise.store.nouns import Call

ANSWERS: Final = "answers"  # the name of the one result file


_PIECE: Final = 64 * 1024


class _Named(msgspec.Struct):
    custom_id: str = ""


_decode = msgspec.json.Decoder(_Named).decode


class Calls:
    """What is known of the calls of one batch, read from its files."""

    def __init__(self, directory: Path, place: Callable[[str], int | None]) -> None:
        self.sent: set[int] = set()
        self.took: dict[int, tuple[str, float]] = {}
        self.lost: set[int] = set()
        self.answered: set[int] = set()
        for path in _files(directory, ".calls"):
            for line in whole_lines(path):
                self._note(line.decode().split())
        for path in _files(directory, ".answers"):
            for line in whole_lines(path):
                if (position := place(_decode(line).custom_id)) is not None:
                    self.answered.add(position)
        self.lost -= self.answered

    def _note(self, words: list[str]) -> None:
        match words:
            case ["sent", _, *positions]:
                self.sent.update(map(int, positions))
            case ["took", at, position, provider_id]:
                self.took[int(position)] = (provider_id, float(at))
            case ["back", position]:
                self.sent.discard(int(position))
            case ["lost", position]:
                self.lost.add(int(position))
                self.took.pop(int(position), None)
            case _:
                raise AssertionError(f"an unknown entry: {words[0]}")

    @property
    def open(self) -> set[int]:
        """Sent, and nothing known of what became of them."""
        return self.sent - self.answered - self.lost - self.took.keys()


def calls_of(directory: Path, position: int, custom_id: str) -> Iterator[Call]:
    """What happened to one request of a batch, in order; nothing where a provider executed it."""
    own = str(position)
    for path in _files(directory, ".calls"):
        for line in whole_lines(path):
            match line.decode().split():
                case ["sent", at, *positions] if own in positions:
                    yield Call("sent", float(at))
                case ["took", at, place, provider_id] if place == own:
                    yield Call("accepted", float(at), provider_id)
                case ["back", place] if place == own:
                    yield Call("not_taken")
                case ["lost", place] if place == own:
                    yield Call("lost")
    for path in _files(directory, ".answers"):
        if any(_decode(line).custom_id == custom_id for line in whole_lines(path)):
            yield Call("result")
            return


class FileOutbox:
    """Implements `lanewise.store.protocol.Outbox`."""

    def __init__(
        self,
        directory: Path,
        fence: int,
        place: Callable[[str], int | None],
        home: Path,
        *,
        still_held: Callable[[], None],
        alone: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._directory, self._home, self._fence = directory, home, fence
        self._still_held, self._alone = still_held, alone
        self._keeping = threading.Lock()
        with explained("writing down calls", home):
            make_private(directory)
            self._calls = Calls(directory, place)
            self.unknown = frozenset(self._calls.open)
            self._log = _Appended(directory / f"{fence}.calls")
            self._answers = _Appended(directory / f"{fence}.answers")

    @property
    def asked(self) -> frozenset[int]:
        """Positions that this batch sends no more: what became of them is known, awaited, or never known."""
        return frozenset(self._calls.sent | self._calls.answered)

    @property
    def answered(self) -> frozenset[int]:
        """Positions with a result line."""
        return frozenset(self._calls.answered)

    @property
    def accepted(self) -> Mapping[int, tuple[str, float]]:
        """Positions that the provider works on in the background: its id for each, and since when."""
        took, answered = self._calls.took, self._calls.answered
        return {position: took[position] for position in took if position not in answered}

    def send(self, positions: Sequence[int], now: float) -> None:
        """These are about to be sent."""
        self._calls.sent.update(positions)
        self._log.add(f"sent {now:.3f} {' '.join(map(str, positions))}\n".encode())

    def accept(self, position: int, provider_id: str, now: float) -> None:
        """The provider works on it in the background."""
        self._calls.took[position] = (provider_id, now)
        self._log.add(f"took {now:.3f} {position} {provider_id}\n".encode())

    def unsend(self, position: int) -> None:
        """The provider certainly did not take it: it may be sent again."""
        self._calls.sent.discard(position)
        self._log.add(f"back {position}\n".encode())

    def answer(self, position: int, line: bytes) -> None:
        """The result, in the provider's own form for results of batches."""
        self._calls.answered.add(position)
        self._answers.add(line.rstrip(b"\r\n") + b"\n")

    def lost(self, position: int) -> None:
        """Nobody will ever know what became of it: it is not sent again here."""
        self._calls.lost.add(position)
        self._calls.took.pop(position, None)
        self._log.add(f"lost {position}\n".encode())

    def sync(self) -> None:
        """Make all of it durable; raises `LeaseLost`, and has kept it, if another worker acts by now.

        A later holder opens its outbox after it took the lease, so a call that was written down before
        this look and is made after it is one that every later holder sees.
        """
        self._keep()
        self._still_held()

    def _keep(self) -> None:
        with self._keeping, explained("writing down calls", self._home):
            self._answers.sync()  # an answer is known before its call counts as answered
            self._log.sync()

    def finish(self) -> tuple[str, ...]:
        """Make the answers of every holder the result file of the batch; raises `LeaseLost`.

        A holder that was frozen while it wrote must not put its file over that of the next: nobody can
        take the lease between the last look at it and the new name.
        """
        self._keep()
        with explained("storing results", self._home):
            temporary = self._directory / f"{self._fence}.jsonl.new"
            fd = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                for path in _files(self._directory, ".answers"):
                    for line in whole_lines(path):
                        write_all(fd, line)
                os.fdatasync(fd)
            finally:
                os.close(fd)
            with self._alone():
                self._still_held()
                replace_durably(temporary, self._directory / "0.jsonl")
        return (ANSWERS,)

    def close(self) -> None:
        """Let go; what is durable stays."""
        with self._keeping:
            self._answers.close()
            self._log.close()


class _Appended:
    """A file that is appended to in pieces; nothing is written before `sync`.

    Whoever adds never waits for the disk. After a failure nothing more is written: what is held might else
    run into the half of it that was.
    """

    def __init__(self, path: Path) -> None:
        self._fd: int | None = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._guard = threading.Lock()
        self._held: list[bytes] = []
        self._failure: OSError | None = None
        os.ftruncate(self._fd, _whole(self._fd))  # what was cut off must not run into what follows

    def add(self, data: bytes) -> None:
        """Hold it until the next `sync`."""
        with self._guard:
            self._held.append(data)

    def sync(self) -> None:
        """Write and make durable what is held. One at a time."""
        if self._failure is not None:
            raise self._failure
        with self._guard:
            held, self._held = self._held, []
        if not held or self._fd is None:
            return
        try:
            write_all(self._fd, b"".join(held))
            os.fdatasync(self._fd)
        except OSError as error:
            self._failure = error
            raise

    def close(self) -> None:
        """Let go."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _whole(fd: int) -> int:
    """Bytes up to the end of the last whole line."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(end - _PIECE, 0)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def whole_lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends; one that was cut off is left out."""
    with path.open("rb", 1024 * 1024) as file:
        for line in file:
            if line.endswith(b"\n") and not line.isspace():
                yield line


def _files(directory: Path, suffix: str) -> list[Path]:
    """Of every fence, the oldest first."""
    found = directory.glob(f"*{suffix}")
    return sorted(found, key=lambda path: int(path.stem))
