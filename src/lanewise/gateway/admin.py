"""Keys and their webhooks over HTTP, for whoever has an admin key: the same operations as `lanewise keys`.

The first admin key is made where the home is (`lanewise keys create ops --admin`); without one, nobody gets
in here, not even where the gateway is open.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lanewise.app import keys
from lanewise.app.keys import NewKey, ShownKey
from lanewise.app.zones import local_zone
from lanewise.errors import BadInput, NotFound
from lanewise.gateway import admin_webhooks
from lanewise.gateway.admin_answers import JSON, Action, Operation, Rotation, answered, decoded
from lanewise.gateway.asked import COMPRESSED
from lanewise.gateway.dialect import Dialect, error_body
from lanewise.gateway.keys import presented
from lanewise.gateway.routes import Parts
from lanewise.secret import Secret
from lanewise.store.keys import NameTaken

LARGEST_BODY: Final = 65_536


class MadeKey(msgspec.Struct, frozen=True):
    """A key that was made just now; `key` is shown this once."""

    key: str
    about: ShownKey


class Keys(msgspec.Struct, frozen=True):
    """All keys there are or were, the oldest first."""

    data: list[ShownKey]
    object: Literal["list"] = "list"


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, and what would be accepted."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failed(msgspec.Struct, frozen=True):
    """An error in the form of OpenAI's API."""

    error: Problem


def routes(parts: Parts) -> list[Route]:
    """`/admin/keys`, what is below it, and what describes it."""
    document = msgspec.json.encode(openapi())

    async def described(_request: Request) -> Response:
        return Response(document, media_type=JSON)

    paths: dict[str, dict[str, Action]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method] = operation.action
    return [
        Route("/admin/openapi.json", described, methods=["GET"]),
        *(Route(path, _served(parts, by), methods=list(by)) for path, by in paths.items()),
    ]


def _served(
    parts: Parts, actions: Mapping[str, Action]
) -> Callable[[Request], Awaitable[Response]]:
    """The action of each method for those with an admin key; the store is asked in another thread."""

    async def serve(request: Request) -> Response:
        if not await run_in_threadpool(is_admin, parts, request):
            return _failed(401, "this takes an admin key: Authorization: Bearer lw-...")
        if request.headers.get("content-encoding", "identity") != "identity":
            return _failed(415, COMPRESSED)
        try:
            body = await _body(request)
        except BadInput as error:
            return _failed(413, str(error))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        method = "GET" if request.method == "HEAD" else request.method
        return await run_in_threadpool(_tried, parts, actions[method], request, body)

    return serve


def _tried(parts: Parts, action: Action, request: Request, body: bytes) -> Response:
    try:
        return action(parts, request, body)
    except NotFound as error:
        return _failed(404, str(error))
    except NameTaken as error:
        return _failed(409, str(error))
    except BadInput as error:
        return _failed(400, str(error))


def is_admin(parts: Parts, request: Request) -> bool:
    """Whether a usable admin key came along; asked of the store anew, since it is asked rarely."""
    now = parts.engine.clock.now()
    found = keys.digest(presented(dict(request.scope["headers"])))
    return any(
        secret.hash == found
        for key in parts.engine.store.virtual_keys()
        if key.terms.admin and key.usable(now)
        for secret in key.secrets
        if not secret.ended(now)
    )


async def _body(request: Request) -> bytes:
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > LARGEST_BODY:
            raise BadInput(f"the body is larger than {LARGEST_BODY:,} bytes")
    return bytes(held)


# -- what can be done -------------------------------------------------------------------------------
def _list(parts: Parts, _request: Request, _body: bytes) -> Response:
    store = parts.engine.store
    return answered(Keys(keys.shown(store, store.virtual_keys(), parts.engine.clock.now())))


def _create(parts: Parts, _request: Request, body: bytes) -> Response:
    engine = parts.engine
    new = decoded(body, NewKey)
    made = keys.create(engine.store, new, engine.clock.now(), local_zone(engine.environ))
    return answered(_made(parts, new.name, made), 201)


def _show(parts: Parts, request: Request, _body: bytes) -> Response:
    return answered(_about(parts, request.path_params["name"]))


def _revoke(parts: Parts, request: Request, _body: bytes) -> Response:
    name = request.path_params["name"]
    keys.revoke(parts.engine.store, name, parts.engine.clock.now())
    return answered(_about(parts, name))


def _rotate(parts: Parts, request: Request, body: bytes) -> Response:
    name = request.path_params["name"]
    wanted = decoded(body or b"{}", Rotation)
    now = parts.engine.clock.now()
    made = keys.rotate(parts.engine.store, name, now, grace=wanted.grace)
    return answered(_made(parts, name, made))


def _about(parts: Parts, name: str) -> ShownKey:
    store = parts.engine.store
    return keys.shown(store, [keys.find(store, name)], parts.engine.clock.now())[0]


def _made(parts: Parts, name: str, key: Secret) -> MadeKey:
    return MadeKey(key.reveal(), _about(parts, name))


def _failed(status: int, message: str) -> Response:
    headers = {"cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    body = error_body(Dialect.OPENAI, status, message)
    return Response(body, status, headers, media_type=JSON)


# -- the document -----------------------------------------------------------------------------------
_KEY: Final = "/admin/keys/{name}"
OPERATIONS: Final = {
    ("GET", "/admin/keys"): Operation("listKeys", _list, Keys),
    ("POST", "/admin/keys"): Operation("createKey", _create, MadeKey, NewKey, 201, (400, 409)),
    ("GET", _KEY): Operation("showKey", _show, ShownKey, fails=(404,)),
    ("DELETE", _KEY): Operation("revokeKey", _revoke, ShownKey, fails=(404,)),
    ("POST", f"{_KEY}/rotate"): Operation(
        "rotateKey", _rotate, MadeKey, Rotation, fails=(400, 404)
    ),
    **admin_webhooks.OPERATIONS,
}
_PARAMETER: Final = re.compile(r"{(\w+)}")
_SCHEMAS: Final = "#/components/schemas/"
_FAILS: Final = {
    400: "what is asked cannot be done",
    401: "no admin key came along",
    404: "there is no such key or webhook",
    409: "the name is used already",
    413: "the body is too large",
    415: "the body is compressed",
}


def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes, made from what reads and writes them."""
    structs = [NewKey, Rotation, ShownKey, MadeKey, Keys, Failed, *admin_webhooks.STRUCTS]
    _, schemas = msgspec.json.schema_components(structs, ref_template=f"{_SCHEMAS}{{name}}")
    paths: dict[str, Any] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _described(path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "lanewise: keys and webhooks", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"admin": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"admin": []}],
    }


def _described(path: str, operation: Operation) -> dict[str, Any]:
    done = {"description": "done", "content": _content(operation.answer)}
    failed = {
        str(code): {"description": _FAILS[code], "content": _content(Failed)}
        for code in (401, 413, 415, *operation.fails)
    }
    said: dict[str, Any] = {
        "operationId": operation.name,
        "responses": {str(operation.status): done} | failed,
    }
    if names := _PARAMETER.findall(path):
        schema = {"type": "string"}
        said["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": schema} for name in names
        ]
    if operation.body is not None:
        required = operation.body is not Rotation
        said["requestBody"] = {"required": required, "content": _content(operation.body)}
    return said


def _content(struct: type) -> dict[str, Any]:
    return {JSON: {"schema": {"$ref": f"{_SCHEMAS}{struct.__name__}"}}}
