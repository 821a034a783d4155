"""The OpenAPI document says what the server does: each route, each field, every reference resolves."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gridiface.domain.controls import ControlMode
from gridiface.operator.api import openapi
from gridiface.operator.api.routing import Route
from gridiface.operator.areas.catalogue import every_route
from gridiface.operator.rows import control_schema

ROUTES = every_route()
DOCUMENT = openapi.document(ROUTES)


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for item in value.values() for ref in references(item)]
    return [ref for item in value for ref in references(item)] if isinstance(value, list) else []


def test_document_is_openapi_3_1_and_every_reference_leads_somewhere() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found
    names = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names) == len(ROUTES)


def test_no_shape_is_called_by_where_it_stands_in_the_code() -> None:
    """Two of one name would be told apart so, and clients are generated with these names."""
    assert [name for name in DOCUMENT["components"]["schemas"] if "__" in name] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.name)
def test_each_route_is_described(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert operation["summary"]
    assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == set(re.findall(r"{(\w+)}", route.path))
    assert {p["name"] for p in operation["parameters"] if p["in"] == "query"} == set(route.query.model_fields)
    assert all(p["description"] for p in operation["parameters"] if p["in"] != "path")
    assert list(operation["responses"][str(route.done)]["content"]) == [route.media]
    assert ("security" in operation) == (route.scope is not None)
    assert ("requestBody" in operation) == (route.body is not None)


@pytest.mark.parametrize("model", sorted({r.body for r in ROUTES if r.body is not None}, key=lambda m: m.__name__))
def test_each_field_that_may_be_sent_has_a_meaning(model: Any) -> None:
    described = DOCUMENT["components"]["schemas"][model.__name__]["properties"]
    assert [n for n, one in described.items() if not one.get("description") and "$ref" not in one] == []


def test_each_mode_is_offered_with_its_unit_or_carries_a_payload() -> None:
    payload = {ControlMode.CURVE, ControlMode.FREQUENCY_DROOP, ControlMode.BID, ControlMode.MESSAGE}
    offered = set(control_schema.OfferedMode.__args__)
    assert offered == {mode.value for mode in ControlMode if mode not in payload}
    assert {mode.value for mode in control_schema.MODE_UNITS} == offered


@pytest.mark.parametrize("operation", ["send_control", "add_device", "create_user"])
def test_the_form_of_an_idempotency_key_is_declared(operation: str) -> None:
    route = next(route for route in ROUTES if route.name == operation)
    found = DOCUMENT["paths"][route.path]["post"]["parameters"]
    pattern = next(one["schema"]["pattern"] for one in found if one["name"] == "Idempotency-Key")
    assert re.search(pattern, "k" * 128)
    assert not re.search(pattern, "k" * 129)
    assert not re.search(pattern, "with blank")
    assert not re.search(pattern, "größer")


@pytest.mark.parametrize("name", ["NewGroup", "NewDevice"])
def test_the_form_of_an_id_is_declared(name: str) -> None:
    pattern = DOCUMENT["components"]["schemas"][name]["properties"]["id"]["pattern"]
    assert re.search(pattern, "feeder-1.north")
    for wrong in ("", "-1", "a b", "x" * 65, "ä"):
        assert not re.search(pattern, wrong)
