"""OpenAI's files, as far as batches need them: handed in as a stream, kept on disk, handed out again.

A file goes to disk as it arrives, in memory that does not grow with it, and is read once more to see
whether each of its lines is a request. Its name is the caller's and never part of a path.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lanewise.domain.ids import fresh_id
from lanewise.errors import BadInput
from lanewise.gateway.desk import Desk, Shown, limit_of, page, required, told, uploading
from lanewise.gateway.outputs import output
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import Who
from lanewise.intake import Broken, ReadOptions, read
from lanewise.store.disk import explained, open_private
from lanewise.store.orders import Upload

MOST_BYTES: Final = 1_000_000_000  # of one file
_MOST_FIELD: Final = 10_000
_ID: Final = re.compile(r"file-lw[a-z2-7]{16}")
_CHUNK: Final = 1024 * 1024


def routes(parts: Parts) -> list[Route]:
    """OpenAI's routes for files."""
    files = Files(Desk(parts))
    one = "/v1/files/{name}"
    return [
        Route("/v1/files", files.create, methods=["POST"]),
        Route("/v1/files", files.all, methods=["GET"]),
        Route(one, files.retrieve, methods=["GET"]),
        Route(one, files.delete, methods=["DELETE"]),
        Route(f"{one}/content", files.content, methods=["GET"]),
    ]


class Files:
    """Handlers. What batches put out are files as well; they belong to the batch."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._uploading = desk, uploading()

    async def create(self, request: Request) -> Response:
        """Take a file in."""

        async def make(who: Who) -> Response:
            upload = f"file-lw{fresh_id()}"
            path = self._desk.store.upload_path(upload)
            try:
                with self._uploading.entered():
                    form = await _receive(request, path)
                    kept = await asyncio.to_thread(self._keep, who, upload, path, form)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            return told(200, shown(kept))

        return await self._desk.serve(request, make)

    def _keep(self, who: Who, upload: str, path: Path, form: _Form) -> Upload:
        now = self._desk.now()
        if form.fields.get("purpose") != "batch":
            raise BadInput('`purpose` must be "batch": other files are the provider\'s to keep')
        if form.file_name is None:
            raise BadInput("there is no `file` in the form")
        trouble = next(_troubles(path), "")
        kept = Upload(
            upload, who.tenant, form.file_name, form.size, now, _expiry(form, now), trouble
        )
        self._desk.store.drop_expired_uploads(now)
        self._desk.store.add_upload(kept)
        return kept

    async def all(self, request: Request) -> Response:
        """Files, newest first."""

        def find(who: Who) -> Response:
            limit, after = limit_of(request, 10_000, 10_000), request.query_params.get("after")
            if request.query_params.get("purpose") not in (None, "batch"):
                return page([], limit)
            store, now = self._desk.store, self._desk.now()
            found = store.uploads(who.tenant, now, after=after, limit=limit + 1)
            return page([shown(upload) for upload in found], limit)

        return await self._desk.read(request, find)

    async def retrieve(self, request: Request) -> Response:
        """One file."""
        name = request.path_params["name"]

        def find(who: Who) -> Response:
            made = output(self._desk, who, name)
            return told(200, made.shown() if made else shown(self._upload(who, name)))

        return await self._desk.read(request, find)

    async def delete(self, request: Request) -> Response:
        """Forget a file; a batch that was made of it goes on."""
        name = request.path_params["name"]

        def drop(who: Who) -> Response:
            self._desk.store.drop_upload(self._upload(who, name).id)
            return told(200, {"id": name, "object": "file", "deleted": True})

        return await self._desk.read(request, drop)

    async def content(self, request: Request) -> Response:
        """Its bytes, streamed."""
        name = request.path_params["name"]

        def find(who: Who) -> Response:
            made = output(self._desk, who, name)
            lines = made.lines() if made else _chunks(self._path(who, name))
            return StreamingResponse(lines, media_type="application/octet-stream")

        return await self._desk.read(request, find)

    def _path(self, who: Who, name: str) -> Path:
        return self._desk.store.upload_path(self._upload(who, name).id)

    def _upload(self, who: Who, name: str) -> Upload:
        found = None
        if _ID.fullmatch(name):
            found = self._desk.store.upload(who.tenant, name, self._desk.now())
        return required(found, f"there is no file {name!r}")


def shown(upload: Upload) -> Shown:
    """A file as OpenAI shows one."""
    return {
        "id": upload.id,
        "object": "file",
        "bytes": upload.bytes,
        "created_at": int(upload.created_at),
        "expires_at": None if upload.expires_at is None else int(upload.expires_at),
        "filename": upload.name,
        "purpose": "batch",
        "status": "error" if upload.trouble else "processed",
        "status_details": upload.trouble or None,
    }


def _troubles(path: Path) -> Iterator[str]:
    """Lines that are no requests."""
    for line in read([str(path)], ReadOptions(unpack=False)):
        if isinstance(line, Broken):
            yield f"line {line.number}: {line.why}"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _expiry(form: _Form, now: float) -> float | None:
    said = form.fields.get("expires_after[seconds]")
    if said is None:
        return None
    if not said.isdecimal() or not 3_600 <= int(said) <= 2_592_000:
        raise BadInput("`expires_after[seconds]` takes 3600 to 2592000")
    return now + int(said)


# -- the form that a file comes in ----------------------------------------------------------------
class _Form:
    """Takes a form apart as it arrives: small fields to memory, the file to disk."""

    def __init__(self, file: BinaryIO) -> None:
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self.size = 0
        self.ended = False
        self._file = file
        self._header = [b"", b""]
        self._disposition = b""
        self._field: str | None = None  # None: the file
        self._value = b""

    def callbacks(self) -> Any:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._head(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._head(1, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": lambda data, start, end: self._data(data[start:end]),
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._header, self._disposition, self._value = [b"", b""], b"", b""

    def _head(self, which: int, data: bytes) -> None:
        self._header[which] += data
        if len(self._header[which]) > _MOST_FIELD:
            raise BadInput("a header in the form is too long")

    def _header_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = [b"", b""]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode(errors="replace")
        self._field = name
        if name == "file":
            if self.file_name is not None:
                raise BadInput("there are two files in the form")
            self._field = None
            self.file_name = options.get(b"filename", b"file.jsonl").decode(errors="replace")

    def _data(self, data: bytes) -> None:
        if self._field is not None:
            self._value += data
            if len(self._value) > _MOST_FIELD:
                raise BadInput("a field in the form is too long")
            return
        self.size += len(data)
        if self.size > MOST_BYTES:
            raise BadInput(f"a file may have {MOST_BYTES:,} bytes")
        self._file.write(data)

    def _part_end(self) -> None:
        if self._field is not None:
            self.fields[self._field] = self._value.decode(errors="replace")

    def _end(self) -> None:
        self.ended = True


async def _receive(request: Request, path: Path) -> _Form:
    """The form of a request, its file written to `path` and synced. Raises `BadInput` for another body."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise BadInput("a file is handed in as multipart/form-data with `file` and `purpose`")
    with (
        explained("keeping a file", path.parent),
        os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb", _CHUNK) as file,
    ):
        form = _Form(file)
        parser = MultipartParser(boundary, form.callbacks())
        try:
            async for chunk in request.stream():
                parser.write(chunk)
        except (MultipartParseError, ClientDisconnect) as error:
            raise BadInput("the form is broken or ends too early") from error
        if not form.ended:
            raise BadInput("the form ends too early")
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    return form
