"""A declaration becomes a route, and the listener keeps to it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from typing_extensions import TypedDict

from gridiface.domain.definitions import Block
from gridiface.operator.api.routing import Area, Call, Reply, delete, get, patch, put, unknown
from gridiface.operator.areas.catalogue import AREAS, every_route
from gridiface.operator.schema import Asked, NoBody, NoQuery, Page, Reason
from gridiface.segments import segment


class Thing(TypedDict):
    """A thing."""

    id: str
    said: str


class Things(Area):
    """Things."""

    name: ClassVar[str] = "things"
    title: ClassVar[str] = "Things"

    @get("/things/{id}/parts/{part}", "A part", problems=(404,))
    async def get_thing(self, call: Call[Page, NoBody]) -> Thing:
        """One thing."""
        if not call.part("part"):
            raise unknown("part", call.part("part"), "ask for another")
        return {"id": call.id, "said": f"{call.part('part')} {call.query.limit} {call.caller.name}"}

    @put("/things/{id}", "Replace", scope="configure", done=201)
    async def put_thing(self, call: Call[NoQuery, Reason]) -> Reply[Thing]:
        """One thing replaced."""
        return Reply({"id": call.id, "said": call.body.reason}, headers={"X-Thing": "1"})

    @patch("/things/{id}", "Change", scope="configure")
    async def patch_thing(self, call: Call[NoQuery, Reason]) -> Thing:
        """One thing changed."""
        return {"id": call.id, "said": call.body.reason}

    @delete("/things/{id}", "Away", scope="configure", root="/other")
    async def delete_thing(self, call: Call[NoQuery, NoBody]) -> Thing:
        """One thing less."""
        return {"id": call.id, "said": "gone"}


def test_a_declaration_is_read_from_decorator_and_annotations() -> None:
    first, second, _, last = Things.routes()
    assert (first.method, first.path, first.name) == ("GET", "/api/v1/things/{id}/parts/{part}", "get_thing")
    assert (first.query, first.body, first.answer, first.area) == (Page, None, Thing, "things")
    assert (second.body, second.answer, second.done, second.scope) == (Reason, Thing, 201, "configure")
    assert last.path == "/other/things/{id}"
    assert Things.routes() == Things.routes()


async def test_declared_routes_are_served_as_declared(make_house: Any) -> None:
    house = await make_house(areas=lambda desk: [Things()])
    status, body, _ = await house.ask("GET", "/api/v1/things/a/parts/b?limit=3", scope="read")
    assert (status, body) == (200, {"id": "a", "said": "b 3 reader"})
    assert (await house.ask("GET", "/api/v1/things/a/parts/b?limit=0"))[0] == 400
    for nowhere in ("%00", "x" * 1025):
        assert (await house.ask("GET", f"/api/v1/things/a/parts/{nowhere}"))[0] == 404


@pytest.mark.parametrize(
    "name", ["a/b", "%2F", ".", "..", "~.", "a b", "#?&=+:~", "no\u00a0break", "two\nlines", "ä€", "x" * 1024]
)
async def test_an_id_of_a_path_is_what_a_peer_called_it(make_house: Any, name: str) -> None:
    """Peers choose the ids of their events: any text that XML carries, and as long as several of them together."""
    house = await make_house(areas=lambda _: [Things()])
    status, body, _ = await house.ask("GET", f"/api/v1/things/{segment(name)}/parts/b")
    assert (status, body.get("id")) == (200, name), body
    status, body, headers = await house.ask("PUT", "/api/v1/things/a", scope="configure", json={"reason": "so"})
    assert (status, body["said"], headers["X-Thing"]) == (201, "so", "1")
    assert (await house.ask("PATCH", "/api/v1/things/a", scope="configure", json={"other": 1}))[0] == 422
    assert (await house.ask("PATCH", "/api/v1/things/a", scope="control", json={}))[0] == 403
    assert (await house.ask("DELETE", "/other/things/a", scope="admin"))[1]["said"] == "gone"
    described = (await house.ask("GET", "/api/v1/openapi.json"))[1]
    assert described["paths"]["/api/v1/things/{id}"]["patch"]["operationId"] == "patch_thing"


#: POSTs that only judge what is sent: their bodies are too large for an address.
JUDGES = {"inspect_certificate"}


@pytest.mark.parametrize("kind", AREAS, ids=lambda a: a.name)
def test_each_area_is_named_and_its_shapes_are_declared(kind: type[Area]) -> None:
    assert kind.name
    assert kind.title
    assert kind.routes()
    for route in kind.routes():
        assert issubclass(route.query, Asked)
        assert route.body is None or issubclass(route.body, Asked | Block)
        assert route.answer is not None
        judges = route.name in JUDGES
        assert route.method == "GET" or judges or route.scope not in {"read", "stream"}, (
            "who may only read changes nothing"
        )


def test_names_and_places_are_unique() -> None:
    routes = every_route()
    assert len({route.name for route in routes}) == len({(r.method, r.path) for r in routes}) == len(routes)
