"""The reference pages of the REST API and of the metrics, made from their declarations. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gridiface.operator.api import openapi
from gridiface.operator.api.routing import Area, Route
from gridiface.operator.metrics import METRICS

_INTRODUCTION = """# REST API reference
This page is made from the code (`make reference`). How the API is used (tokens, sending a control, errors, the event
stream) is told on [its own page](../operator/api.md). The same in OpenAPI 3.1: `GET /api/v1/openapi.json`. Powers in W,
+ delivered to the grid; reactive powers in var, + injected; times in seconds since 1970 UTC; `null` where nothing is
known.
A server has the areas of the parts that it runs; routes of others are 404.
"""


def rest_page(areas: Iterable[type[Area]]) -> str:
    """All operations by area, then every shape that goes over the wire; Markdown."""
    known = tuple(areas)
    document = openapi.document(tuple(route for area in known for route in area.routes()))
    lines = [_INTRODUCTION]
    for area in known:
        lines += [f"## {area.title}", *_overview(area.routes())]
        for route in area.routes():
            lines += _details(route, document["paths"][route.path][route.method.lower()])
        lines.append("")
    lines += ["## Shapes"]
    for name, shape in sorted(document["components"]["schemas"].items()):
        lines += [f"### {name}", *_shape(shape), ""]
    return "\n".join(lines).rstrip() + "\n"


def metrics_page() -> str:
    """All metrics; Markdown."""
    rows = [f"| `{name}` | {kind} | {text} |" for name, (kind, text) in METRICS.items()]
    head = """# Metrics reference
This page is made from the code (`make reference`). `GET /metrics` answers in Prometheus' text format. No label takes a
value from a peer: labels are enumerations of the code, declared routes, and names of the configuration, of which at
most 100 are told; so the number of series is bounded.

| metric | kind | meaning |
|---|---|---|"""
    return "\n".join([head, *rows]) + "\n"


def _overview(routes: Iterable[Route]) -> list[str]:
    rows = [f"| `{r.method} {r.path}` | {r.scope or '-'} | {r.summary} |" for r in routes]
    return ["| route | scope | what |", "|---|---|---|", *rows]


def _details(route: Route, operation: Mapping[str, Any]) -> list[str]:
    parameters = [p for p in operation["parameters"] if p["in"] != "path"]
    told = []
    if parameters:
        told += ["", "| parameter | in | type | meaning |", "|---|---|---|---|"]
        told += [f"| `{p['name']}` | {p['in']} | {type_words(p['schema'])} | {p['description']} |" for p in parameters]
    if route.body is not None:
        told += ["", f"Body: {_link(route.body.__name__)}."]
    statuses = ", ".join(operation["responses"])
    told += ["", f"Answers: {_answer(route, operation)}; statuses {statuses}."]
    return ["", f"### {route.method} {route.path}", f"{route.summary} (`{route.name}`).", *told]


def _answer(route: Route, operation: Mapping[str, Any]) -> str:
    shape = operation["responses"][str(route.done)]["content"][route.media]["schema"]
    return f"{type_words(shape)} as `{route.media}`"


def _shape(shape: Mapping[str, Any]) -> list[str]:
    text = [" ".join(str(shape.get("description", "")).split())]
    if "properties" not in shape:
        return [*text, "", f"One of: {type_words(shape)}."]
    needed = shape.get("required", [])
    rows = [
        f"| `{name}` | {type_words(one)} | {'yes' if name in needed else _default(one)} | {_words(one)} |"
        for name, one in shape["properties"].items()
    ]
    return [*text, "", "| field | type | required, default | meaning |", "|---|---|---|---|", *rows]


def _words(shape: Mapping[str, Any]) -> str:
    return " ".join(str(shape.get("description", "")).split()).replace("|", "\\|")


def _default(shape: Mapping[str, Any]) -> str:
    return f"`{shape['default']}`" if shape.get("default") not in (None, "") else ""


def type_words(shape: Mapping[str, Any]) -> str:
    """A type in a few words, with its range."""
    if "$ref" in shape:
        return _link(str(shape["$ref"]).rpartition("/")[2])
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(type_words(part) for part in shape["anyOf"]))
    if "enum" in shape:
        return ", ".join(f"`{value}`" for value in shape["enum"])
    if "const" in shape:
        return f"`{shape['const']}`"
    kind = str(shape.get("format") or shape.get("type", "any"))
    if kind == "array":
        return f"list of {type_words(shape.get('items', {}))}"
    low, high = shape.get("minimum", shape.get("exclusiveMinimum")), shape.get("maximum")
    limits = "" if low is None and high is None else f" {'' if low is None else low}..{'' if high is None else high}"
    return kind + limits


def _link(name: str) -> str:
    return f"[{name}](#{re.sub(r'[^a-z0-9_-]', '', name.lower())})"
