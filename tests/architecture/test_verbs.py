"""The command line and the REST API can do the same: each call of a verb has its route, each route its verb."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from gridiface.operator.api.routing import ROOT, Route
from gridiface.operator.areas.catalogue import every_route

Known = dict[str, list[str]]

CLI = Path(__file__).resolve().parents[2] / "src" / "gridiface" / "cli"

#: Calls of cli.remote.Remote: what they are on the wire.
METHODS = {
    "get": "GET",
    "pages": "GET",
    "raw": "GET",
    "tagged": "GET",
    "post": "POST",
    "patch": "PATCH",
    "put": "PUT",
    "delete": "DELETE",
}

#: Operations that are no verb's, and why.
NO_VERB = {
    **dict.fromkeys(
        ("sign_in", "sign_out", "get_session", "set_up", "change_password", "list_sessions", "end_session"),
        "signing in is for browsers; a terminal has tokens",
    ),
    **dict.fromkeys(("begin_provider_sign_in", "end_provider_sign_in"), "signing in elsewhere is for browsers"),
    **dict.fromkeys(
        ("issue_access_token", "revoke_access_token", "get_oauth_metadata", "get_openapi"), "clients are programs"
    ),
    **dict.fromkeys(
        ("inspect_certificate", "sign_certificate", "revoke_certificate", "get_bundle"),
        "`gridiface pki` does it with the files themselves",
    ),
    **dict.fromkeys(("get_metrics", "get_health", "get_readiness"), "for supervisors and Prometheus"),
    "stream_events": "`gridiface control watch` reads it through Remote.events",
    "get_approval": "`gridiface control waiting` lists all of it",
    "get_user": "`gridiface user list` lists all of it",
    "export_audit_table": "`gridiface audit export` writes what can be verified",
    "list_quarantine": "`gridiface device quarantine` and `release` print it",
    "get_dnp3_outstation": "`gridiface dnp3 stations` lists all of it",
    "list_dnp3_endpoints": "`gridiface dnp3 stations` tells of them",
}


def calls() -> Iterator[tuple[str, str, str]]:
    """Every (file, method, path with {} for what is put in) that a verb asks for."""
    for file in sorted(CLI.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        shared = assigned(tree.body, {})
        for helper in tree.body:
            if isinstance(helper, ast.FunctionDef) and isinstance(helper.body[-1], ast.Return):
                value = helper.body[-1].value
                shared[f"{helper.name}()"] = [] if value is None else paths(value, shared)
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                yield from calls_in(file.name, function, shared)


def calls_in(file: str, function: ast.FunctionDef, shared: Known) -> Iterator[tuple[str, str, str]]:
    named = {**shared, **assigned(ast.walk(function), shared)}
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in METHODS
            and "remote" in ast.unparse(node.func.value).lower()
            and node.args
        ):
            for path in paths(node.args[0], named):
                yield file, METHODS[node.func.attr], path


def assigned(nodes: Iterable[ast.AST], known: Known) -> Known:
    """Names that stand for paths."""
    named: Known = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).extend(paths(node.value, {**known, **named}))
    return named


def paths(node: ast.expr, named: Known) -> list[str]:
    """What an expression says as a path, of several branches all."""
    match node:
        case ast.Constant(value=str(text)) if text.startswith("/"):
            return [text]
        case ast.JoinedStr(values=parts):
            found = [""]
            for part in parts:
                found = [before + more for before in found for more in put_in(part, named)]
            return [one for one in found if one.startswith("/")]
        case ast.Name(id=name):
            return named.get(name, [])
        case ast.Call(func=ast.Name(id=name)):
            return named.get(f"{name}()", [])
        case ast.IfExp(body=one, orelse=other):
            return [*paths(one, named), *paths(other, named)]
        case _:
            return []


def put_in(part: ast.expr, named: Known) -> list[str]:
    """What a part of an f-string may be: its text, a path that is known, devices or groups, or anything: {}."""
    if isinstance(part, ast.Constant):
        return [str(part.value)]
    assert isinstance(part, ast.FormattedValue)
    if isinstance(part.value, ast.Name) and part.value.id == "kind":
        return ["devices", "groups"]
    return paths(part.value, named) or ["{}"]


@cache
def calls_known() -> tuple[tuple[str, str, str], ...]:
    return tuple(calls())


def fits(route: Route, method: str, path: str) -> bool:
    """Whether a call is this operation; a part that is put in may be any part of the route, also several."""
    if route.method != method:
        return False
    pattern = "/".join(".+" if "{}" in part else re.escape(part) for part in path.split("/"))
    return re.fullmatch(pattern, route.path.removeprefix(ROOT)) is not None


def test_each_call_of_a_verb_has_its_route() -> None:
    found = list(calls())
    assert len(found) > 60, "the calls of the verbs were not found"
    routes = every_route()
    strays = [call for call in found if not any(fits(route, call[1], call[2]) for route in routes)]
    assert not strays


@pytest.mark.parametrize("route", every_route(), ids=lambda route: route.name)
def test_each_route_has_its_verb(route: Route) -> None:
    reached = any(fits(route, method, path) for _, method, path in calls_known())
    if route.name in NO_VERB:
        assert not reached, "it has a verb by now: take it out of NO_VERB"
    else:
        assert reached, f"{route.method} {route.path} has no verb"
