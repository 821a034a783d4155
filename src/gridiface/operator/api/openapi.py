"""The API described as OpenAPI 3.1, made from the areas' declarations, the types that the handlers check with. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import is_typeddict

from gridiface import __version__
from gridiface.operator import schema
from gridiface.operator.api.idempotency import HEADER, KEY
from gridiface.operator.api.routing import Route
from gridiface.operator.problems import MEDIA

_REF = "#/components/schemas/{model}"
_ALWAYS = (400, 414, 421, 431)
_GUARDED = (401, 403, 429, 503)
_WITH_BODY = (408, 413, 415, 422)
_WORDS = {
    400: "the request is not right",
    401: "no token or session, or a wrong one",
    403: "the caller lacks the scope, is confined to groups, or the CSRF token is missing",
    404: "there is no such thing",
    408: "the body came too slowly",
    409: "it stands against what is there",
    412: "it has changed since it was read",
    428: "If-Match is missing",
    413: "too large",
    414: "the address is too long",
    415: "not JSON",
    421: "the server is not known by this name",
    431: "a header field is too long",
    422: "the body is not right",
    429: "too many requests, or too many wrong tokens or passwords",
    502: "another server that is needed does not answer",
    503: "nothing can be recorded or read now",
    504: "the device does not answer",
}


@cache
def document(routes: tuple[Route, ...], cookie: str = "gridiface") -> dict[str, Any]:
    """The OpenAPI document of these operations, of a listener whose session cookie has this name."""
    types: list[Any] = [t for route in routes for t in (route.body, route.answer) if _is_model(t)]
    pairs: list[tuple[Any, Any, TypeAdapter[Any]]] = [(t, "validation", TypeAdapter(t)) for t in dict.fromkeys(types)]
    pairs.append((schema.Problem, "validation", TypeAdapter(schema.Problem)))
    references, definitions = TypeAdapter.json_schemas(pairs, ref_template=_REF, schema_generator=GenerateJsonSchema)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gridiface operator API",
            "version": __version__,
            "description": "Powers in W, + delivered to the grid; times in seconds since 1970 UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
            },
        },
    }


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and (issubclass(kind, BaseModel) or is_typeddict(kind))


def _operation(route: Route, references: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.area],
        "parameters": _parameters(route),
        "responses": _responses(route, references),
    }
    if route.scope is not None:
        known: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
        operation["security"] = [{}, *known] if route.scope in {"read", "stream"} else known
        operation["x-scope"] = route.scope
    if route.body is not None:
        content = {route.accepts: {"schema": references[route.body, "validation"]}}
        operation["requestBody"] = {"content": content, "required": _has_required(route.body)}
    return operation


def _has_required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


#: What a header's text must be like, beyond what HTTP asks.
_HEADER_FORMS = {HEADER: {"pattern": f"^{KEY.pattern}$"}}


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    found += [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string", **_HEADER_FORMS.get(name, {})}}
        for name, text in route.headers
    ]
    described = TypeAdapter(route.query).json_schema(ref_template=_REF)
    inner = described.pop("$defs", {})
    required = described.get("required", [])
    for name, one in described.get("properties", {}).items():
        shape = _inlined(one, inner)
        text = shape.pop("description", "")
        found.append({"name": name, "in": "query", "description": text, "schema": shape, "required": name in required})
    return found


def _inlined(shape: Any, definitions: dict[str, Any]) -> Any:
    """A schema without references, so that query parameters need no components of their own."""
    if isinstance(shape, list):
        return [_inlined(part, definitions) for part in shape]
    if not isinstance(shape, dict):
        return shape
    if "$ref" in shape:
        return _inlined(definitions[str(shape["$ref"]).rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in shape.items()}


def _responses(route: Route, references: dict[Any, Any]) -> dict[str, Any]:
    answer = references[route.answer, "validation"] if _is_model(route.answer) else _simple(route.answer)
    content = {route.media: {"schema": answer}}
    problem = {MEDIA: {"schema": references[schema.Problem, "validation"]}}
    statuses = {*_ALWAYS, *route.problems, *(_GUARDED if route.scope is not None else ())}
    statuses |= set(_WITH_BODY if route.body is not None else ())
    responses: dict[str, dict[str, Any]] = {
        str(status): {"description": _WORDS[status], "content": problem} for status in statuses
    }
    tag = {"headers": {"ETag": {"description": "for If-Match", "schema": {"type": "string"}}}} if route.tagged else {}
    for status, words in {route.done: "done", **dict(route.others)}.items():
        also = responses.get(str(status), {}).get("content", {})
        responses[str(status)] = {"description": words, "content": {**also, **content}, **tag}
    if route.tagged:
        responses["304"] = {"description": "it is as the reader knows it"}
    return dict(sorted(responses.items()))


def _simple(kind: Any) -> dict[str, Any]:
    return {"type": "string"} if kind is str else {"type": "object"}
