"""Who may reach what: every route of every area, with every scope, whether or not the part behind it runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gridiface.operator.api.routing import Route
from gridiface.operator.areas.catalogue import AREAS
from gridiface.operator.areas.standing import DESK, OWN
from gridiface.operator.auth.scopes import IMPLIED

OTHERS = tuple(kind for kind in AREAS if kind not in (*DESK, *OWN))
ROUTES = [route for kind in AREAS for route in kind.routes() if route.name != "stream_events"]


def bare(kind: type[Any]) -> Any:
    """An area without its parts: its routes can be reached, nothing behind them works."""
    return kind.__new__(kind)


async def reach(house: Any, route: Route, scope: str | None) -> int:
    """The status of a request that is right in form only."""
    path = re.sub(r"{\w+}", "none-such", route.path)
    more = {} if route.body is None else {"json": {}}
    status: int = (await house.ask(route.method, path, scope=scope, **more))[0]
    return status


@pytest.mark.parametrize("open_reads", [True, False])
async def test_every_route_by_every_scope(make_house: Any, *, open_reads: bool) -> None:
    house = await make_house(rules={"open_reads": open_reads}, areas=lambda _: [bare(kind) for kind in OTHERS])
    for scope in (None, *IMPLIED):
        for route in ROUTES:
            status = await reach(house, route, scope)
            public = route.scope is None or (open_reads and scope is None and route.scope in {"read", "stream"})
            if route.scope is None:
                assert status != 403
                assert status != 401 or 401 in route.problems or 401 in dict(route.others)
                continue
            may = public or (scope is not None and route.scope in IMPLIED[scope])
            refused = {401} if scope is None else {403}
            assert (status in refused) != may, (route.name, scope, status)


async def test_who_may_not_change_reaches_nothing_that_changes(make_house: Any) -> None:
    house = await make_house(areas=lambda _: [bare(kind) for kind in OTHERS])
    for route in ROUTES:
        if route.method != "GET" and route.scope not in {None, "read"}:
            assert await reach(house, route, "read") == 403, route.name
            assert await reach(house, route, None) == 401, route.name
