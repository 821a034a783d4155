"""The listener: where it listens, and what it mounts."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.errors import ConfigError
from gridiface.operator.areas.catalogue import AREAS
from gridiface.operator.server import OperatorServer


async def test_areas_of_other_parts_are_served_and_described_only_where_they_are(house: Any) -> None:
    described = (await house.ask("GET", "/api/v1/openapi.json"))[1]["paths"]
    mounted = {route.path for area in house.pages.areas for route in area.routes()}
    assert set(described) == mounted
    for path in {route.path for kind in AREAS for route in kind.routes()} - mounted:
        assert (await house.ask("GET", path.replace("{id}", "a")))[0] == 404


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/metrics", "/nothing/here"])
async def test_no_answer_tells_what_the_server_is_made_of(house: Any, path: str) -> None:
    headers = (await house.ask("GET", path))[2]
    assert headers["Server"] == "gridiface"
    assert not any("aiohttp" in value or "Python" in value for value in headers.values())


async def test_taken_port_is_named(house: Any) -> None:
    second = OperatorServer(house.desk, host="127.0.0.1", port=house.pages.port)
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1 port {house.pages.port} \(operator\.listen\)"):
        await second.start()


def test_reading_is_open_on_loopback_only(house: Any) -> None:
    assert OperatorServer(house.desk, host="127.0.0.1", port=0).rules.open_reads
    assert not OperatorServer(house.desk, host="0.0.0.0", port=0).rules.open_reads
