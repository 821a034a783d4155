"""The API's own page: every operation and shape, made from the description that programs read. Nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gridiface.operator.api.reference import type_words
from gridiface.operator.screens.house import House
from gridiface.operator.server import Page


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, as the page shows it."""

    method: str
    path: str
    name: str
    summary: str
    scope: str
    parameters: list[dict[str, Any]]
    body: str
    answers: list[tuple[str, str]]
    example: str


class ApiScreen:
    """`/api`: the reference of exactly what this server has.

    Args:
        house: what all screens share.
        document: the OpenAPI description of the mounted operations.
        titles: of the areas, by name.
    """

    def __init__(self, house: House, document: Callable[[], Mapping[str, Any]], titles: Mapping[str, str]) -> None:
        self._house, self._document, self._titles = house, document, titles

    def pages(self) -> list[Page]:
        """All routes."""
        return [self._house.page("/api", self.show, scope=None)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Operations by area, then the shapes."""
        told = self._document()
        areas: dict[str, list[Operation]] = {}
        for path, methods in told["paths"].items():
            for method, one in methods.items():
                title = self._titles.get(one["tags"][0], one["tags"][0])
                areas.setdefault(title, []).append(_operation(method.upper(), path, one))
        shapes = {
            name: {
                "description": shape.get("description", ""),
                "fields": [_field(n, f, shape) for n, f in shape.get("properties", {}).items()],
            }
            for name, shape in sorted(told["components"]["schemas"].items())
        }
        return self._house.frame.page(request, "api.html", areas=areas, shapes=shapes, openapi=told["openapi"])


def _operation(method: str, path: str, one: Mapping[str, Any]) -> Operation:
    content = one.get("requestBody", {}).get("content", {})
    body = next((_name(entry["schema"]) for entry in content.values()), "")
    answers = [
        (status, next((_name(entry["schema"]) for entry in answer.get("content", {}).values()), ""))
        for status, answer in one["responses"].items()
    ]
    parameters = [
        {"name": p["name"], "in": p["in"], "type": type_words(p["schema"]), "text": p.get("description", "")}
        for p in one["parameters"]
    ]
    scope = one.get("x-scope", "")
    return Operation(
        method, path, one["operationId"], one["summary"], scope, parameters, body, answers, _curl(method, path, content)
    )


def _curl(method: str, path: str, content: Mapping[str, Any]) -> str:
    words = ["curl", *(["-X", method] if method != "GET" else []), '-H "Authorization: Bearer $GRIDIFACE_TOKEN"']
    if "application/json" in content:
        words += ["--json", "'" + json.dumps({}) + "'"]
    return " ".join([*words, f'"$GRIDIFACE_URL{path}"'])


def _field(name: str, shape: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": type_words(shape),
        "shape": _name(shape) or _name(shape.get("items", {})),
        "required": name in whole.get("required", []),
        "text": shape.get("description", ""),
    }


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
