"""Files over HTTP: as large as firmware is, and no larger than said."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest

from gridiface.operator.api import bodies
from gridiface.operator.areas import sep2_resources
from gridiface.operator.areas.sep2_devices import Sep2DevicesArea
from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea


class Port:
    """Keeps what is handed in."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def programs(self) -> list[dict[str, Any]]:
        return []

    async def create(self, path: str, resource: Any, **_: Any) -> tuple[str, bool]:
        return f"{path}/1", True

    async def add_file(self, file: Any, octets: bytes, **_: Any) -> dict[str, Any]:
        self.files["/file/1"] = octets
        return {"href": "/file/1", "size": len(octets)}


async def hand_in(house: Any, content: str) -> tuple[int, Any]:
    asked = json.dumps({"model": "M1", "version": "2.0", "content": content}).encode()
    headers = {"Content-Type": "application/json"}
    status, body, _ = await house.ask(
        "POST", "/api/v1/sep2/files", scope="configure", data=io.BytesIO(asked), headers=headers
    )
    return status, body


@pytest.mark.parametrize("size", [0, 12_000, 17_000, 3_000_000])
async def test_a_file_of_the_size_of_firmware_is_taken(make_house: Any, size: int) -> None:
    port: Any = Port()
    house = await make_house(areas=lambda _: [Sep2DevicesArea(port), Sep2ProgramsArea(port), Sep2ResourcesArea(port)])
    octets = bytes(range(256)) * (size // 256)
    assert await hand_in(house, base64.b64encode(octets).decode()) == (201, {"href": "/file/1", "size": len(octets)})
    assert port.files == {"/file/1": octets}


async def test_a_file_has_the_time_that_its_size_takes_on_a_slow_line(
    make_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked through is here already: that takes none of the time in which it is to come."""
    monkeypatch.setattr(bodies, "WITHIN_S", 0.001)
    port: Any = Port()
    house = await make_house(areas=lambda _: [Sep2DevicesArea(port), Sep2ProgramsArea(port), Sep2ResourcesArea(port)])
    octets = bytes(4_000_000)
    assert (await hand_in(house, base64.b64encode(octets).decode()))[0] == 201
    assert port.files == {"/file/1": octets}


async def test_a_file_that_is_larger_than_any_is_refused(make_house: Any) -> None:
    port: Any = Port()
    house = await make_house(areas=lambda _: [Sep2DevicesArea(port), Sep2ProgramsArea(port), Sep2ResourcesArea(port)])
    longest = sep2_resources._FILE_TEXT
    assert (await hand_in(house, "A" * (longest + 4)))[0] == 422
    assert (await hand_in(house, "A" * (longest + 20_000)))[0] == 413
    assert port.files == {}
