"""What operations of the admin API are made of: what is read, what is answered, what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from lanewise.app import keys
from lanewise.errors import BadInput
from lanewise.gateway.routes import Parts

JSON: Final = "application/json"
Action: TypeAlias = Callable[[Parts, Request, bytes], Response]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done at a path, and what is said of it."""

    name: str
    action: Action
    answer: type
    body: type | None = None
    status: int = 200
    fails: tuple[int, ...] = ()


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old one is valid beside the new one: a span such as 24h, or now."""

    grace: keys.Text = keys.GRACE


def decoded(body: bytes, wanted: type[T]) -> T:
    """What a body holds. Raises `BadInput`."""
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"the body is not what is wanted here: {error}") from error


def answered(value: msgspec.Struct, status: int = 200) -> Response:
    """An answer that nobody keeps: it may hold what is shown once."""
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(value), status, headers, media_type=JSON)
