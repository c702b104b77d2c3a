"""What kind of request a line is, told by its shape, and whether it can be one at all.

| shape | what it looks like |
|---|---|
| OpenAI batch line | `custom_id`, `method`, `url`, `body` |
| Anthropic batch line | `custom_id`, `params` |
| bare body | none of `custom_id`, `body`, `params`; the caller says which endpoint |

Checked is what no provider could accept; everything else is the provider's to judge. Decoding a body
for the few members that matter here also proves that all of it is JSON: msgspec checks the grammar of
what it skips, but not its UTF-8, hence the check of that here. The body's own bytes are handed on, so
nothing is lost by reading and writing: large integers, the order of keys and repeated keys stay (of
those the last counts, as it does for providers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from lanewise.errors import BadInput
from lanewise.intake.lines import Accepted, Dialect, ReadOptions, Unfit

ID_LIMIT: Final = 512  # characters of a custom_id; our own travels, so any characters will do
_ABSENT: Final = msgspec.Raw()
_WHITE_SPACE: Final = b" \t\r\n"  # what JSON takes for it
_MARKS: Final = (("body", b'"body":'), ("params", b'"params":'))
_NEAR: Final = 2_000  # bytes in which the body's beginning is looked for
_MOST_OUTPUT: Final = 2**32 - 1
_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Line(msgspec.Struct, gc=False):
    """The outer members of a line."""

    custom_id: str | msgspec.UnsetType = msgspec.UNSET
    method: str | None = None
    url: str | None = None
    body: msgspec.Raw = _ABSENT
    params: msgspec.Raw = _ABSENT
    deadline: str | None = None  # ours: providers never see it


class _Body(msgspec.Struct, gc=False, kw_only=True):
    """The members that all bodies share."""

    model: _Name | msgspec.UnsetType = msgspec.UNSET
    stream: bool | None = None
    max_tokens: Any = None  # whether a limit is a good one, the provider judges
    max_completion_tokens: Any = None
    max_output_tokens: Any = None

    def units(self) -> int:
        """Check what this endpoint needs; returns how many inputs it has."""
        return 1

    def output_limit(self) -> int:
        """The most tokens that it lets an answer have; 0 where it says nothing."""
        limits = (self.max_completion_tokens, self.max_output_tokens, self.max_tokens)
        said = (limit for limit in limits if isinstance(limit, int) and limit > 0)
        return min(next(said, 0), _MOST_OUTPUT)


class _Chat(_Body, kw_only=True):
    messages: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]


class _Messages(_Chat, kw_only=True):
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]


class _Responses(_Body, kw_only=True):
    input: msgspec.Raw = _ABSENT
    prompt: msgspec.Raw = _ABSENT  # a stored prompt, which may need no input

    def units(self) -> int:
        if _is_nothing(self.input) and _is_nothing(self.prompt):
            raise Unfit("there is no `input` (and no stored `prompt`) to answer")
        return 1


class _Completions(_Body, kw_only=True):
    prompt: msgspec.Raw

    def units(self) -> int:
        if _is_nothing(self.prompt):
            raise Unfit("`prompt` is null: give a text")
        return 1


class _Moderations(_Body, kw_only=True):
    input: msgspec.Raw

    def units(self) -> int:
        if _is_nothing(self.input):
            raise Unfit("`input` is null: give a text or a list of texts")
        return 1


class _Embeddings(_Moderations, kw_only=True):
    def units(self) -> int:
        super().units()
        return _count_inputs(self.input) if _opens_list(self.input) else 1


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint that has a batch lane: whose it is, and how its bodies are read."""

    dialect: Dialect
    decoder: msgspec.json.Decoder[_Body]


def _endpoint(dialect: Dialect, body: type[_Body]) -> Endpoint:
    return Endpoint(dialect, msgspec.json.Decoder(body))


ENDPOINTS: Final = {
    "/v1/chat/completions": _endpoint(Dialect.OPENAI, _Chat),
    "/v1/responses": _endpoint(Dialect.OPENAI, _Responses),
    "/v1/embeddings": _endpoint(Dialect.OPENAI, _Embeddings),
    "/v1/completions": _endpoint(Dialect.OPENAI, _Completions),
    "/v1/moderations": _endpoint(Dialect.OPENAI, _Moderations),
    "/v1/messages": _endpoint(Dialect.ANTHROPIC, _Messages),
}
_MESSAGES: Final = "/v1/messages"
_URLS: Final = ", ".join(url for url, end in ENDPOINTS.items() if end.dialect is Dialect.OPENAI)


def check_options(options: ReadOptions) -> None:
    """Raises `BadInput` where an option cannot be meant."""
    if options.endpoint is not None and options.endpoint not in ENDPOINTS:
        raise BadInput(
            f"no batch lane has the endpoint {options.endpoint!r}; use {_URLS}, {_MESSAGES}"
        )
    if options.model == "":
        raise BadInput("the model to fill in is empty: name one, or leave --model away")


class _Parts(msgspec.Struct, frozen=True, gc=False):
    """A line taken apart; its body may still turn out to be none."""

    member: str  # that holds the body; "" if the line itself is the body
    url: str
    caller_id: str  # "" for a bare body
    body: bytes
    deadline: str = ""


class Recogniser:
    """Makes requests of lines, with the endpoint and model that the caller gave for all of them."""

    def __init__(self, options: ReadOptions) -> None:
        check_options(options)
        self._endpoint = options.endpoint
        self._model = options.model
        self._outer = msgspec.json.Decoder(_Line)

    def recognise(self, text: bytes, number: int, source: int, nth: int) -> Accepted:
        """The request that a line is, the `nth` of the whole input; raises `Unfit`."""
        if not text.isascii():
            _check_utf8(text)
        text = text.strip(_WHITE_SPACE)
        try:
            parts = self._quickly(text)
            return self._request(parts, number, source, nth)
        except (msgspec.DecodeError, RecursionError, Unfit):
            parts = self._carefully(text)
        try:
            return self._request(parts, number, source, nth)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unfit(_explain(error, parts.member, text)) from None

    def _quickly(self, text: bytes) -> _Parts:
        """Take it that the body is the last member, as it nearly always is: one scan less.

        It is proven by what follows: `text` up to the body is the beginning of an object if it can
        be completed to one, and the rest, but for its brace, is one body if it can be read as one.
        """
        for member, mark in _MARKS:
            at = text.find(mark, 0, _NEAR) + len(mark)
            if at >= len(mark) and text.endswith(b"}"):
                line = self._outer.decode(text[:at] + b"null}")
                return _parts(line, member, text[at:-1].strip(_WHITE_SPACE))
        raise Unfit("its body is not near its beginning")

    def _carefully(self, text: bytes) -> _Parts:
        try:
            line = self._outer.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unfit(_explain(error, "", text)) from None
        if line.body is not _ABSENT:
            return _parts(line, "body", bytes(line.body))
        if line.params is not _ABSENT:
            return _parts(line, "params", bytes(line.params))
        return _Parts("", self._bare_url(line), "", _without_deadline(text), line.deadline or "")

    def _request(self, parts: _Parts, number: int, source: int, nth: int) -> Accepted:
        endpoint = ENDPOINTS[parts.url]
        body = endpoint.decoder.decode(parts.body)
        if body.stream:
            raise Unfit("`stream` is true, but a batch cannot stream: remove it")
        units = body.units()
        text, model = parts.body, body.model
        if model is msgspec.UNSET:
            text, model = self._filled(text)
        caller_id = parts.caller_id or f"request-{nth}"
        return Accepted(
            number, source, caller_id, endpoint.dialect, parts.url, model, text, units,
            parts.deadline, body.output_limit(),
        )  # fmt: skip

    def _filled(self, body: bytes) -> tuple[bytes, str]:
        if self._model is None:
            raise Unfit("it names no model: add `model` to it, or give --model")
        return b'{"model":' + msgspec.json.encode(self._model) + b"," + body[1:], self._model

    def _bare_url(self, line: _Line) -> str:
        if line.custom_id is not msgspec.UNSET:
            raise Unfit("it has a `custom_id` but neither `body` (OpenAI) nor `params` (Anthropic)")
        if self._endpoint is None:
            raise Unfit(
                "it looks like a bare body, and those of different endpoints look alike: "
                "give --endpoint, or use lines with `custom_id` and `body` or `params`"
            )
        return self._endpoint


def bare(endpoint: str, body: bytes, *, number: int, caller_id: str) -> Accepted:
    r"""The request that a body sent to an endpoint is, whatever its members are called; raises `Unfit`.

    >>> bare(
    ...     "/v1/embeddings", b'{"model":"m",\n"input":"x","body":{}}', number=1, caller_id="a"
    ... ).body
    b'{"model":"m", "input":"x","body":{}}'
    """
    known = ENDPOINTS[endpoint]
    if not body.isascii():
        _check_utf8(body)
    try:
        found = known.decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unfit(_explain(error, "", body)) from None
    if found.stream:
        raise Unfit("`stream` is true, but what can wait is not streamed: remove it")
    if found.model is msgspec.UNSET:
        raise Unfit("it names no model: add `model` to it")
    units = found.units()
    # within strings JSON has line breaks only as escapes, so these are between members
    line = body.strip(_WHITE_SPACE).replace(b"\r", b" ").replace(b"\n", b" ")
    return Accepted(
        number, 0, caller_id, known.dialect, endpoint, found.model, line, units,
        output_limit=found.output_limit(),
    )  # fmt: skip


def _parts(line: _Line, member: str, body: bytes) -> _Parts:
    if line.body is not _ABSENT and line.params is not _ABSENT:
        raise Unfit("it has both `body` (OpenAI) and `params` (Anthropic): keep one of them")
    url = _openai_url(line) if member == "body" else _MESSAGES
    return _Parts(member, url, _checked_id(line), body, line.deadline or "")


def _without_deadline(body: bytes) -> bytes:
    """A bare body as the provider may see it; where it says no deadline, to the byte."""
    if b'"deadline"' not in body:
        return body
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return body if members.pop("deadline", None) is None else msgspec.json.encode(members)


def _openai_url(line: _Line) -> str:
    if line.method != "POST":
        raise Unfit('`method` must be "POST"')
    if line.url in ENDPOINTS and line.url != _MESSAGES:
        return line.url
    if line.url is None:
        raise Unfit(f"there is no `url`; accepted are {_URLS}")
    if "://" in line.url:
        raise Unfit(f"`url` must be a path, without scheme and host; accepted are {_URLS}")
    if line.url == _MESSAGES:
        raise Unfit("`url` is /v1/messages: Anthropic's lines have only `custom_id` and `params`")
    raise Unfit(f"`url` has no batch lane; accepted are {_URLS}")


def _checked_id(line: _Line) -> str:
    caller_id = line.custom_id
    if caller_id is msgspec.UNSET or not caller_id:
        raise Unfit("there is no `custom_id`: give each line one of its own")
    if len(caller_id) > ID_LIMIT:
        raise Unfit(f"`custom_id` has {len(caller_id):,} characters; up to {ID_LIMIT} are accepted")
    return caller_id


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise Unfit(f"not UTF-8 at byte {error.start + 1}: save the file as UTF-8") from None


def _explain(error: Exception, member: str, text: bytes) -> str:
    """What msgspec found, in the words of the one who wrote the line; never with its content."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply to be read; a few hundred levels are accepted"
    if isinstance(error, msgspec.ValidationError):
        what, _, path = str(error).partition(" - at ")
        at = path.replace("$", member, 1).replace("`.", "`") or (member and f"`{member}`")
        return _lowered(what) + (f" at {at}" if at else "")
    what = str(error).removeprefix("JSON is malformed: ")
    if "truncated" in what:
        return f"not JSON: it ends too early, or has half of a \\u surrogate pair ({len(text):,} bytes)"
    return f"not JSON: {what}"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _opens_list(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"["


def _is_nothing(raw: msgspec.Raw) -> bool:
    return len(raw) == 0 or bytes(memoryview(raw)[:4]) == b"null"


_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


def _count_inputs(raw: msgspec.Raw) -> int:
    """A list of texts or of token lists has as many inputs as items; a list of tokens is one."""
    items = _ITEMS.decode(raw)
    if not items:
        raise Unfit("`input` is an empty list: give at least one text")
    first = bytes(memoryview(items[0])[:1])
    return len(items) if first in (b'"', b"[") else 1
