"""The driver for web APIs without a socket: tables, keys, requests with their values, pointers, grouping."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.variants import variant

from gridiface.drivers.api import DriverConfig
from gridiface_southbound.http import table as tables
from gridiface_southbound.http.config import HttpConfig
from gridiface_southbound.http.loading import load_table, template_names
from gridiface_southbound.http.render import render
from gridiface_southbound.http.table import ApiTable, Request
from gridiface_southbound.points import table as points
from gridiface_southbound.points.image import Write
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.scalar import ScalarPoint
from gridiface_southbound.points.template import MISSING, Success, find, grouped, parse, pointer_of

PAGE = Path(__file__).resolve().parents[4] / "docs" / "operator" / "http.md"
GOOD: dict[str, Any] = {
    "kind": "battery",
    "nameplate": {"max_w": 5000},
    "parameters": {"unit": 1},
    "requests": [
        {"name": "read", "path": "/{unit}/state"},
        {"name": "set", "method": "POST", "path": "/{unit}/power", "body": {"watts": "{target}"}},
    ],
    "points": [
        {"name": "power", "meaning": "w", "request": "read", "pointer": "/p", "unit": "W", "positive": "taken"},
        {
            "name": "target", "meaning": "set_w", "request": "read", "pointer": "/t", "unit": "W", "positive": "taken",
            "write": {"request": "set", "release": [{"point": "target", "value": 0}]},
        },
    ],
}  # fmt: skip


changed = partial(variant, GOOD)


@pytest.mark.parametrize("name", template_names())
def test_every_template_says_where_it_comes_from(name: str) -> None:
    table = load_table(name)
    assert table.title
    assert table.source
    assert not table.tried_on_hardware
    assert ApiTable.model_validate(table.model_dump(exclude_unset=True)) == table


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed("requests", 0, "paht", value="/"), r"requests\.1 \(read\)\.paht: unknown key; did you mean 'path'"),
        (changed("points", 1, "write", "reqest", value="x"), "unknown key; did you mean 'request'"),
        (changed("points", 0, "request", value="reed"), "no request is called 'reed'; requests: read, set"),
        (changed("requests", 1, "body", value={"watts": 5}), "request set has no {target}"),
        (changed("requests", 1, "query", value={"w": "{targt}"}), "{targt} is neither a parameter nor a point"),
        (changed("requests", 0, "query", value={"a": "{target}"}), "cannot depend on what is written"),
        (changed("requests", 0, "body", value={"a": 1}), "GET has no body"),
        (changed("requests", 1, "text", value="5"), "body and text: a request has one of them"),
        (changed("requests", 1, "name", value="read"), "a name is used twice"),
        (changed("requests", 0, "answer", value="none"), "points are read from it"),
        (changed("requests", 0, "path", value="http://elsewhere/"), "path"),
        (changed("requests", 0, "path", value="/a?b=c"), "path"),
        (changed("parameters", value={"unit": 1, "target": 2}), "target is a parameter and a point"),
        (changed("points", 0, "request", value=None), "give the request that shows it"),
        (changed("points", 1, "request", value=None), "no request shows it"),
        (changed("points", 0, "pointer", value="p"), "pointer"),
        (changed("points", 0, "pointer", value="/[id={nr}]/p"), r"points\.power\.pointer: {nr} is no parameter"),
        (changed("requests", 0, "pages", value={}), "by one of next, number and offset"),
        (changed("requests", 0, "pages", value={"next": "/n", "number": "p"}), "by one of next, number and offset"),
        (changed("requests", 0, "pages", value={"number": "p", "query": "q"}), "query belongs to next"),
        (changed("requests", 1, "pages", value={"number": "p"}), "pages are read with GET"),
        (42, "an API table is|a API table is"),
    ],
)
def test_a_mistake_is_told_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_table(data)


def test_a_body_that_is_nested_too_deeply() -> None:
    body: Any = 1
    for _ in range(20):
        body = [body]
    with pytest.raises(ValueError, match="nested deeper"):
        load_table(changed("requests", 1, "body", value=body))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"url": "ftp://h"}, "begins with http"),
        ({"url": "http://ann:x@h"}, "holds no password"),
        ({"url": "http://h/?a"}, "no query"),
        ({"url": "http://h:99999"}, "Port out of range"),
        ({"auth": "basic"}, "needs user and password_file"),
        ({"auth": "bearer"}, "needs token_file"),
        ({"auth": "bearer", "token_file": "t"}, "plain: true"),
        ({"ca_file": "c"}, "are for https"),
        ({"url": "https://h", "cert_file": "c"}, "belong together"),
        ({"url": "https://h", "fingerprint": "ab"}, "64 hex digits"),
        ({"url": "https://h", "fingerprint": "ab" * 32, "ca_file": "c"}, "stands alone"),
        ({"parameters": {"unti": 2}}, "the table has no 'unti'; it has: unit"),
    ],
)
def test_wrong_keys_are_told(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HttpConfig(**({"table": GOOD, "url": "http://h"} | keys))


def test_digest_goes_over_http_and_parameters_are_the_devices() -> None:
    config = HttpConfig(
        table=GOOD, url="http://h/api/", auth="digest", user="a", password_file="p", parameters={"unit": 7}
    )  # type: ignore[arg-type]  # as YAML gives it
    assert (config.url, config.values) == ("http://h/api", {"unit": 7})


def test_values_keep_their_kind_in_json_and_are_escaped_elsewhere() -> None:
    request = Request(
        name="r", method="POST", path="/{where}/x", query={"q": "a{n}"}, headers={"X-N": "{n}"},
        body={"n": "{n}", "on": "{on}", "text": "n is {n}", "list": ["{where}"]},
    )  # fmt: skip
    made = render(request, {"where": "a/../b?c", "n": 1.5, "on": True})
    assert made.path == "/a%2F..%2Fb%3Fc/x"
    assert (made.query, made.headers) == ((("q", "a1.5"),), {"X-N": "1.5", "Content-Type": "application/json"})
    assert made.body is not None
    assert json.loads(made.body) == {"n": 1.5, "on": True, "text": "n is 1.5", "list": ["a/../b?c"]}
    form = Request(name="r", method="POST", path="/", form={"a b": "{x}"})
    assert render(form, {"x": "1&c=2"}).body == b"a%20b=1%26c%3D2"
    with pytest.raises(ValueError, match="line break"):
        render(Request(name="r", path="/", headers={"X": "{x}"}), {"x": "a\r\nB: c"})
    with pytest.raises(KeyError):
        render(Request(name="r", path="/{x}"), {})


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        # RFC 6901, clause 5.
        ("", {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8}),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/m~0n", 8),
        ("/foo/2", MISSING),
        ("/foo/-", MISSING),
        ("/foo/0/x", MISSING),
        ("/nothing", MISSING),
    ],
)
def test_pointers(pointer: str, value: Any) -> None:
    assert find({"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8}, pointer) == value


LIST = {"all": [5, {"id": "7"}, {"id": "a/b", "v": 1}, {"id": 8, "v": 2}, {"id": True, "v": 3}, {"id": "a/b", "v": 9}]}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/all/[id=a~1b]/v", 1),  # the first of two
        ("/all/[id=8]/v", 2),
        ("/all/[id=true]/v", 3),
        ("/all/[id=7]/v", MISSING),
        ("/all/[id=9]/v", MISSING),
        ("/all/[id]/v", MISSING),
        ("/[all=1]", MISSING),
    ],
)
def test_an_entry_of_a_list_is_picked_by_what_it_says(pointer: str, value: Any) -> None:
    assert find(LIST, pointer) == value


def test_a_parameter_in_a_pointer_stays_within_its_step() -> None:
    pointer = pointer_of("/all/[id={id}]/v", {"id": "a/b"})
    assert find(LIST, pointer) == 1
    assert find({"x": {"y": 1}}, pointer_of("/{id}", {"id": "x/y"})) is MISSING


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_answer_is_found_in_or_refused(data: bytes, pointer: str) -> None:
    try:
        document = parse(data)
    except ValueError:
        return
    find(document, "/" + pointer)


def test_neighbours_go_out_together_in_order() -> None:
    table = load_table("example-battery")
    writes = [
        Write(table.by_name[name], value, 0.0)
        for name, value in (("mode", "remote"), ("hold", 60), ("target", 5), ("hold", 0), ("export_limit", 100))
    ]
    groups = grouped((write.point.write.request if write.point.write else "", write) for write in writes)
    assert [(carrier, {write.point.name: write.data for write in members}) for carrier, members in groups] == [
        ("mode", {"mode": "remote"}),
        ("command", {"hold": 60, "target": 5}),
        ("command", {"hold": 0}),
        ("limit", {"export_limit": 100}),
    ]


def test_the_worked_example_of_the_page_is_a_table() -> None:
    blocks = [part.split("```")[0] for part in PAGE.read_text().split("```yaml\n")[1:]]
    (example,) = [block for block in blocks if "points:" in block]
    table = load_table(yaml.safe_load(example))
    assert table.by_name["target"].sign == -1


def test_every_key_and_template_is_on_the_page() -> None:
    page = PAGE.read_text()
    own = {key for model in (tables.Request, tables.Pages, Success, tables.ApiTable) for key in model.model_fields}
    own |= set(ScalarPoint.model_fields) - set(points.Point.model_fields)
    own |= {"request", "pointer"} | set(template_names())
    own |= set(HttpConfig.model_fields) - set(DriverConfig.model_fields)
    own -= set(points.Table.model_fields) - {"points"}
    assert not sorted(key for key in own if f"`{key}`" not in page)
    shared = (PAGE.parent / "modbus.md").read_text()
    assert not sorted(meaning.value for meaning in Meaning if f"`{meaning.value}`" not in shared)
