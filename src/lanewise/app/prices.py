"""Keeping the price book current: newer data is fetched when somebody asks for it, and only then.

Nothing on the way of a request comes here. What is fetched is compiled whole before anything is written;
data that cannot be used changes nothing.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from lanewise.errors import BadInput
from lanewise.pricing import PriceBook
from lanewise.pricing.book import TABLE_FILE, USER_FILE
from lanewise.pricing.compiling import compiled, fingerprint
from lanewise.pricing.sheets import Difference, differences
from lanewise.pricing.table import Table
from lanewise.store.disk import explained, make_private, open_private, replace_durably, write_all

MOST_BYTES: Final = 50_000_000  # genai-prices' data has about 1 MB
SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Data:
    """Prices as they were read, and of which day they are as far as is known."""

    raw: bytes
    where: str
    dated: date

    @property
    def version(self) -> str:
        """What rows that are priced with it will name: its day and its hash."""
        return f"data {self.dated.isoformat()}+sha256:{fingerprint(self.raw)}"


@dataclass(frozen=True, slots=True)
class Update:
    """A table that is ready to be put into a home, and what it would change there."""

    version: str
    table: bytes
    before: str  # the basis in use
    after: str
    differences: tuple[Difference, ...]


def read(source: str, now: float, dated: date | None = None) -> Data:
    """The bytes of a file or an address.

    They are of the day `dated`, or of that on which the file was last written, or of today. Raises
    `BadInput` where there is nothing to be read.
    """
    today = datetime.fromtimestamp(now, UTC).date()
    if "://" in source:
        return Data(_fetched(source), source, dated or today)
    path = Path(source)
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
            written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC).date()
    except OSError as error:
        raise BadInput(f"--from {source}: cannot be read ({error.strerror})") from error
    if len(raw) > MOST_BYTES:
        raise _too_large(source)
    return Data(raw, source, dated or min(written, today))


def prepare(home: Path, data: Data, now: float) -> Update:
    """Compile data and compare it with the book of a home; writes nothing.

    Raises `BadInput` for data that cannot be used or is older than what is in use.
    """
    book = PriceBook.of_home(home)
    used = book.tables[0]
    table = compiled(data.raw, version=data.version, dated=data.dated.isoformat(), where=data.where)
    new = with_table(home, Table(table, data.where))
    if data.version != used.version and data.dated.isoformat() < used.dated:
        raise BadInput(
            f"{data.where}: of {data.dated}, older than the prices in use ({used.dated}, "
            f"{used.version}); if that is not its day, say which with --as-of"
        )
    at = datetime.fromtimestamp(now, UTC)
    return Update(data.version, table, book.basis, new.basis, tuple(differences(book, new, at)))


def put(home: Path, update: Update) -> Path:
    """Write the table into the home: whole or not at all, for its owner only."""
    path = home.joinpath(TABLE_FILE)
    temporary = path.with_suffix(f".{os.getpid()}.new")
    with explained("writing the price table", home):
        make_private(home)
        fd = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(fd, update.table)
            os.fdatasync(fd)
        finally:
            os.close(fd)
        replace_durably(temporary, path)
    return path


def reset(home: Path) -> bool:
    """Go back to the shipped table; False where the home has no other."""
    path = home.joinpath(TABLE_FILE)
    with explained("removing the price table", home):
        there = path.exists()
        path.unlink(missing_ok=True)
    return there


def other_book(home: Path, source: Path | None, now: float) -> PriceBook:
    """The book to compare with: the shipped one alone, or a table, data, or a user's file over the home's."""
    if source is None:
        return PriceBook.load()
    if source.suffix == ".toml":
        return PriceBook.load(user_prices=source, table=PriceBook.of_home(home).tables[0])
    data = read(str(source), now)
    if data.raw.lstrip()[:1] == b"{":
        return with_table(home, Table(data.raw, data.where))
    dated = data.dated.isoformat()
    raw = compiled(data.raw, version=data.version, dated=dated, where=data.where)
    return with_table(home, Table(raw, data.where))


def with_table(home: Path, table: Table) -> PriceBook:
    """The home's own prices over another table."""
    prices = home.joinpath(USER_FILE)
    return PriceBook.load(user_prices=prices if prices.is_file() else None, table=table)


def _fetched(url: str) -> bytes:
    """What an address answers, if it is not too large."""
    import httpx2

    _check(url)
    try:
        with httpx2.stream("GET", url, timeout=SECONDS) as answer:
            if answer.is_redirect:
                to = answer.headers.get("location", "somewhere else")
                raise BadInput(f"--from {url}: redirects to {to}; give that address instead")
            if answer.status_code != 200:
                raise BadInput(f"--from {url}: answers {answer.status_code}, not the data")
            return b"".join(_limited(answer.iter_bytes(), url))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise BadInput(
            f"--from {url}: cannot be fetched ({str(error) or type(error).__name__})"
        ) from error


def _check(url: str) -> None:
    """Prices decide what is paid: only over a connection that nobody can write into."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _loopback(parts.hostname):
        return
    raise BadInput(f"--from {url}: it takes a file, an https address, or http on this machine")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _limited(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MOST_BYTES:
            raise _too_large(url)
        yield chunk


def _too_large(source: str) -> BadInput:
    return BadInput(f"--from {source}: more than {MOST_BYTES:,} bytes; price data has about 1 MB")
