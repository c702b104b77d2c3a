"""Keys over HTTP: only with an admin key, as the OpenAPI document says, and whatever the body."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from lanewise.app import Engine, keys
from lanewise.app.keys import NewKey
from lanewise.gateway import admin
from lanewise.gateway.keys import KeyRing
from lanewise.gateway.routes import Parts
from lanewise.settings import load

ADMIN = "/admin/keys"


class Office:
    """The admin API of a home, and an admin key."""

    def __init__(self, home: Path) -> None:
        environ = {"LANEWISE_HOME": str(home)}
        self.engine = Engine(load(environ), environ=environ)
        self.ring = KeyRing(self.engine.store, self.engine.clock)
        self.app = Starlette(routes=admin.routes(Parts(self.engine, self.ring)))
        now = self.engine.clock.now()
        self.key = keys.create(self.engine.store, NewKey(name="ops", admin=True), now).reveal()

    async def __call__(
        self, method: str, path: str, *, key: str | None = None, **body: Any
    ) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.key if key is None else key}"}
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, headers=headers, **body)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path / "home")
    yield opened
    opened.engine.close()


async def test_a_key_lives_from_creation_to_revocation_over_http(office: Office) -> None:
    wanted = {
        "name": "search", "owner": "ann", "workflow": "tickets", "models": ["gpt-5*"],
        "lanes": ["batch"], "deadline": "8h", "requests_per_minute": 60, "monthly_usd": "50",
        "expires": "90d",
    }  # fmt: skip
    made = await office("POST", ADMIN, json=wanted)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key, about = made.json()["key"], made.json()["about"]
    assert all(about[name] == wanted[name] for name in wanted if name != "expires")
    assert about["prefix"] == key[:9]
    office.ring.look(office.engine.clock.now())
    who = office.ring({b"x-api-key": key.encode()})
    assert who is not None
    assert (who.tenant, who.workflow) == ("search", "tickets")

    listed = (await office("GET", ADMIN)).json()["data"]
    assert [one["name"] for one in listed] == ["ops", "search"]
    rotated = (await office("POST", f"{ADMIN}/search/rotate", json={"grace": "2h"})).json()
    assert rotated["key"] != key
    assert rotated["about"]["old_until"] > office.engine.clock.now() + 7_000
    shown = await office("DELETE", f"{ADMIN}/search")
    assert shown.json()["state"] == "revoked"
    again = await office("GET", f"{ADMIN}/search")
    assert again.json() == shown.json()
    for answer in (listed, shown.json()):
        assert key not in json.dumps(answer)
        assert rotated["key"] not in json.dumps(answer)


async def test_nobody_gets_in_without_a_usable_admin_key(office: Office) -> None:
    store, now = office.engine.store, office.engine.clock.now()
    plain = keys.create(store, NewKey(name="plain"), now).reveal()
    gone = keys.create(store, NewKey(name="gone", admin=True), now).reveal()
    keys.revoke(store, "gone", now)
    for method, path in admin.OPERATIONS:
        for key in ("", "lw-" + "a" * 40, plain, gone):
            answer = await office(method, path.replace("{name}", "plain"), key=key)
            assert answer.status_code == 401, (method, path)
            assert answer.json()["error"]["type"] == "authentication_error"
    assert [key.name for key in store.virtual_keys() if key.usable(now)] == ["ops", "plain"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", ADMIN, b"", 400),
        ("POST", ADMIN, b"{", 400),
        ("POST", ADMIN, b"\xff\xfe", 400),
        ("POST", ADMIN, b"[" * 60_000, 400),
        ("POST", ADMIN, b'{"name":"a","admn":true}', 400),
        ("POST", ADMIN, b'{"name":"a","requests_per_minute":0}', 400),
        ("POST", ADMIN, b'{"name":"a","requests_per_minute":1e400}', 400),
        ("POST", ADMIN, b'{"name":"../a"}', 400),
        ("POST", ADMIN, b'{"name":"ops"}', 409),
        ("POST", ADMIN, b" " * 70_000, 413),
        ("POST", f"{ADMIN}/nobody/rotate", b"", 404),
        ("POST", f"{ADMIN}/ops/rotate", b'{"grace":"none"}', 400),
        ("GET", f"{ADMIN}/nobody", b"", 404),
        ("DELETE", f"{ADMIN}/nobody", b"", 404),
    ],
)
async def test_what_cannot_be_done_is_said_in_an_error_object(
    office: Office, method: str, path: str, body: bytes, status: int
) -> None:
    answer = await office(method, path, content=body)
    assert answer.status_code == status
    conforms(answer.json(), "Failed")


async def test_no_key_is_ever_logged(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = (await office("POST", ADMIN, json={"name": "search"})).json()["key"]
    await office("GET", f"{ADMIN}/{key}")
    await office("POST", ADMIN, json={"name": key})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("lanewise")]
    assert not any(key[:9] in text or office.key in text for text in ours)


# -- the document -------------------------------------------------------------------------------------
DOCUMENT = admin.openapi()


def conforms(value: Any, schema: str) -> None:
    root = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    jsonschema.validate(value, root)


def test_the_document_names_every_route_and_no_other(office: Office) -> None:
    described = {
        (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item
    }
    served = {
        (method, route.path)
        for route in admin.routes(Parts(office.engine, office.ring))
        for method in route.methods or ()
    }
    served -= {("GET", "/admin/openapi.json")}
    assert described == {pair for pair in served if pair[0] != "HEAD"}


async def test_the_document_is_served_as_it_is_made(office: Office) -> None:
    answer = await office("GET", "/admin/openapi.json", key="")
    assert answer.json() == json.loads(json.dumps(DOCUMENT))


names = st.text(st.sampled_from("ab-."), max_size=4)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from([*NewKey.__struct_fields__, "grace", "other"])
texts = st.sampled_from(
    ["8h", "none", "now", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "1", "lw-"]
)
bodies = st.one_of(
    st.builds(lambda value: json.dumps(value).encode(), anything),
    st.builds(
        lambda name, more: json.dumps(more | {"name": name}).encode(),
        names,
        st.dictionaries(fields, texts | anything | st.lists(texts, max_size=2), max_size=4),
    ),
    st.binary(max_size=40),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operation=st.sampled_from(sorted(admin.OPERATIONS)), name=names.filter(bool), body=bodies)
async def test_any_body_has_an_answer_that_the_document_knows(
    office: Office, operation: tuple[str, str], name: str, body: bytes
) -> None:
    method, path = operation
    if name in (".", ".."):  # clients resolve these
        name = "a"
    answer = await office(method, path.replace("{name}", name), content=body)
    said = DOCUMENT["paths"][path][method.lower()]["responses"][str(answer.status_code)]
    schema = said["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    conforms(answer.json(), schema)
