"""Multipart forms, streamed to disk in constant memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from lanewise.sandbox.wire import Refusal


@dataclass(slots=True)
class Form:
    """Fields as texts, and one file on disk."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    size: int = 0


class _Reader:
    """Callbacks of the parser: headers first, then data of a field or of the file."""

    def __init__(self, target: IO[bytes], most: int) -> None:
        self.form = Form()
        self._target, self._most = target, most
        self._header, self._value = b"", b""
        self._disposition = b""
        self._name: str | None = None
        self._is_file = False
        self._text = b""

    def on_part_begin(self) -> None:
        self._disposition, self._text, self._is_file = b"", b"", False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode()
        if b"filename" in options:
            self._is_file = True
            self.form.filename = options[b"filename"].decode()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.form.size += end - start
            if self.form.size > self._most:
                raise Refusal(413, "invalid_request_error", "File is too large.")
            self._target.write(data[start:end])
        else:
            self._text += data[start:end]

    def on_part_end(self) -> None:
        if not self._is_file and self._name:
            self.form.fields[self._name] = self._text.decode()


async def read_form(request: Request, target: Path, most: int) -> Form:
    """Read a multipart request; its file goes to `target`."""
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refusal(400, "invalid_request_error", "Could not parse multipart form")
    with target.open("wb", 1024 * 1024) as file:
        reader = _Reader(file, most)
        names = [name for name in dir(reader) if name.startswith("on_")]
        parser = MultipartParser(boundary, {name: getattr(reader, name) for name in names})  # type: ignore[arg-type]
        async for chunk in request.stream():
            parser.write(chunk)
        parser.finalize()
    return reader.form
