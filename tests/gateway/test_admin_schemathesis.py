"""Schemathesis over the admin API: every answer is one that its OpenAPI document promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from lanewise.app import Engine, keys
from lanewise.app.keys import NewKey
from lanewise.gateway import admin
from lanewise.gateway.keys import KeyRing
from lanewise.gateway.routes import Parts
from lanewise.settings import load


@pytest.mark.parametrize(("method", "path"), list(admin.OPERATIONS))
def test_every_answer_is_one_that_the_document_promises(
    tmp_path: Path, method: str, path: str
) -> None:
    environ = {"LANEWISE_HOME": str(tmp_path / "home")}
    with Engine(load(environ), environ=environ) as engine:
        app = Starlette(routes=admin.routes(Parts(engine, KeyRing(engine.store, engine.clock))))
        now = engine.clock.now()
        made = keys.create(engine.store, NewKey(name="ops", admin=True), now)
        keys.create(engine.store, NewKey(name="search"), now)
        schema = schemathesis.openapi.from_asgi("/admin/openapi.json", app)
        try_all(schema[path][method], {"Authorization": f"Bearer {made.reveal()}"})


def try_all(operation: Any, headers: dict[str, str]) -> None:
    """Requests that fit the schema and requests that do not; half of them about a key that is there."""

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(data=st.data())
    def attempt(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(list(schemathesis.GenerationMode)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if case.path_parameters and data.draw(st.booleans()):
            case.path_parameters["name"] = "search"
        case.call_and_validate(
            headers=headers,
            # what a text may mean (a deadline, an expiry) is more than a schema can say
            excluded_checks=[schemathesis.checks.positive_data_acceptance],
        )

    attempt()
