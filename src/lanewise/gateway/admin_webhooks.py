"""Webhooks over HTTP, for whoever has an admin key: the same operations as `lanewise webhooks`."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from lanewise.app import webhooks as app
from lanewise.app.webhooks import NewWebhook, ShownWebhook, Tested
from lanewise.gateway.admin_answers import Operation, Rotation, answered, decoded
from lanewise.gateway.routes import Parts


class MadeWebhook(msgspec.Struct, frozen=True):
    """A webhook whose secret was made just now; `secret` is shown this once."""

    secret: str
    about: ShownWebhook


class Webhooks(msgspec.Struct, frozen=True):
    """The webhooks of a key, by name."""

    data: list[ShownWebhook]
    object: Literal["list"] = "list"


class Removed(msgspec.Struct, frozen=True):
    """What is not there any more."""

    name: str
    removed: Literal[True] = True


def _list(parts: Parts, request: Request, _body: bytes) -> Response:
    store, key = parts.engine.store, _key(request)
    app.require_tenant(store, key)
    return answered(Webhooks(app.shown(store, store.webhooks(key), parts.engine.clock.now())))


def _add(parts: Parts, request: Request, body: bytes) -> Response:
    new = decoded(body, NewWebhook)
    secret = app.add(parts.engine, _key(request), new)
    return answered(MadeWebhook(secret.reveal(), _about(parts, request, new.name)), 201)


def _show(parts: Parts, request: Request, _body: bytes) -> Response:
    return answered(_about(parts, request, _name(request)))


def _remove(parts: Parts, request: Request, _body: bytes) -> Response:
    app.remove(parts.engine.store, _key(request), _name(request))
    return answered(Removed(_name(request)))


def _rotate(parts: Parts, request: Request, body: bytes) -> Response:
    wanted = decoded(body or b"{}", Rotation)
    secret = app.rotate(parts.engine, _key(request), _name(request), grace=wanted.grace)
    return answered(MadeWebhook(secret.reveal(), _about(parts, request, _name(request))))


def _test(parts: Parts, request: Request, _body: bytes) -> Response:
    return answered(app.try_out(parts.engine, _key(request), _name(request)))


def _about(parts: Parts, request: Request, name: str) -> ShownWebhook:
    store = parts.engine.store
    found = app.find(store, _key(request), name)
    return app.shown(store, [found], parts.engine.clock.now())[0]


def _key(request: Request) -> str:
    key: str = request.path_params["name"]
    return key


def _name(request: Request) -> str:
    name: str = request.path_params["webhook"]
    return name


_ALL = "/admin/keys/{name}/webhooks"
_ONE = f"{_ALL}/{{webhook}}"
STRUCTS = (NewWebhook, ShownWebhook, MadeWebhook, Webhooks, Removed, Tested)
OPERATIONS = {
    ("GET", _ALL): Operation("listWebhooks", _list, Webhooks, fails=(400, 404)),
    ("POST", _ALL): Operation("addWebhook", _add, MadeWebhook, NewWebhook, 201, (400, 404, 409)),
    ("GET", _ONE): Operation("showWebhook", _show, ShownWebhook, fails=(404,)),
    ("DELETE", _ONE): Operation("removeWebhook", _remove, Removed, fails=(404,)),
    ("POST", f"{_ONE}/rotate"): Operation(
        "rotateWebhook", _rotate, MadeWebhook, Rotation, fails=(400, 404)
    ),
    ("POST", f"{_ONE}/test"): Operation("testWebhook", _test, Tested, fails=(404,)),
}
