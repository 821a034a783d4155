"""Portfolios over HTTP: shapes, ETag, bounds; what the port is given."""

from __future__ import annotations

import io
import json
from typing import Any

from gridiface.domain.envelope import FleetChanged
from gridiface.operator.areas.portfolios import PortfoliosArea

ASSET = {"asset_type": "battery", "zip": "94105", "capacity_kwh": 10, "max_discharge_kw": 5}


class Port:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def names(self) -> dict[str, str]:
        return {name: body["name"] for name, body in self.kept.items()}

    def one(self, name: str) -> Any:
        return None if name not in self.kept else {"id": name, **self.kept[name]}

    async def put(self, name: str, body: Any, *, along: Any) -> None:
        assert along
        self.kept[name] = body

    async def remove(self, name: str, *, along: Any) -> None:
        assert along
        del self.kept[name]

    async def status(self, name: str, now: float) -> Any:
        return {"id": name, "computed": now}

    def qualification(self, name: str, now: float) -> Any:
        return {"id": name, "name": self.kept[name]["name"], "computed": now, "programs": []}


async def test_a_portfolio_is_enrolled_read_replaced_and_removed(make_house: Any) -> None:
    house = await make_house(areas=lambda desk: [PortfoliosArea(desk, Port())])
    status, made, headers = await house.ask(
        "POST", "/api/v1/portfolios", scope="configure", json={"name": "n", "assets": [ASSET]}
    )
    path = headers["Location"]
    assert (status, made["assets"][0]["id"], path) == (201, "1", f"/api/v1/portfolios/{made['id']}")
    _, read, headers = await house.ask("GET", path)
    assert read == made
    body = {"name": "m", "assets": [ASSET, ASSET]}
    assert (await house.ask("PUT", path, scope="configure", json=body))[0] == 428
    match = {"If-Match": headers["ETag"]}
    assert (await house.ask("PUT", path, scope="configure", json=body, headers=match))[0] == 200
    assert (await house.ask("DELETE", path, scope="configure", headers=match))[0] == 412
    assert (await house.ask("GET", f"{path}/status"))[1]["id"] == made["id"]
    assert (await house.ask("GET", f"{path}/qualification"))[1]["programs"] == []
    assert (await house.ask("GET", "/api/v1/portfolios/nobody/qualification"))[0] == 404
    assert (await house.ask("GET", "/api/v1/portfolios"))[1]["portfolios"][0]["assets"] == 2
    assert (await house.ask("DELETE", path, scope="configure"))[0] == 200
    assert (await house.ask("GET", path))[0] == 404


async def test_large_portfolios_are_taken_larger_ones_not(make_house: Any) -> None:
    house = await make_house(areas=lambda desk: [PortfoliosArea(desk, Port())])
    large = {"name": "n", "assets": [ASSET] * 5_000}
    assert (await house.ask("POST", "/api/v1/portfolios", scope="configure", json=large))[0] == 201
    huge = io.BytesIO(json.dumps({"name": "n", "assets": [{**ASSET, "zip": "9" * 12}] * 60_000}).encode())
    headers = {"Content-Type": "application/json"}
    assert (await house.ask("POST", "/api/v1/portfolios", scope="configure", data=huge, headers=headers))[0] == 413
    bad = {"name": "n", "assets": [{**ASSET, "capacity_kwh": -1}]}
    assert (await house.ask("POST", "/api/v1/portfolios", scope="configure", json=bad))[0] == 422


async def test_who_only_reads_enrols_and_removes_nothing(make_house: Any) -> None:
    port = Port()
    house = await make_house(areas=lambda desk: [PortfoliosArea(desk, port)])
    body = {"name": "n", "assets": [ASSET]}
    _, made, _ = await house.ask("POST", "/api/v1/portfolios", scope="configure", json=body)
    path = f"/api/v1/portfolios/{made['id']}"
    for scope in ("read", "control", "audit"):
        assert (await house.ask("POST", "/api/v1/portfolios", scope=scope, json=body))[0] == 403
        assert (await house.ask("PUT", path, scope=scope, json=body, headers={"If-Match": "*"}))[0] == 403
        assert (await house.ask("DELETE", path, scope=scope))[0] == 403
    assert list(port.kept) == [made["id"]]


async def test_a_fleet_that_does_not_rest_is_told_as_503(make_house: Any) -> None:
    class Restless(Port):
        async def status(self, name: str, now: float) -> Any:
            raise FleetChanged("devices came or went")

    house = await make_house(areas=lambda desk: [PortfoliosArea(desk, Restless())])
    body = {"name": "n", "assets": [ASSET]}
    _, made, _ = await house.ask("POST", "/api/v1/portfolios", scope="configure", json=body)
    assert (await house.ask("GET", f"/api/v1/portfolios/{made['id']}/status"))[0] == 503
