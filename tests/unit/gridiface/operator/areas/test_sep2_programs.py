"""One program over HTTP: read with an ETag, ranked and removed as it was read."""

from __future__ import annotations

from typing import Any

from gridiface.operator.areas.sep2_devices import Sep2DevicesArea
from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea

PATH = "/api/v1/sep2/programs/1"


class Port:
    """One program, whose controls come and go."""

    def __init__(self) -> None:
        self.row: dict[str, Any] = {
            **{"number": 1, "path": "/derp/1", "mrid": "P1", "name": "summer", "primacy": 3, "target": "device:a"},
            **{"node": False, "assignment": "/fsa/1", "controls": 0, "active": 0},
        }

    def programs(self) -> list[dict[str, Any]]:
        return [self.row] if self.row else []

    def program(self, number: int) -> dict[str, Any] | None:
        return next((row for row in self.programs() if row["number"] == number), None)

    async def set_primacy(self, number: int, primacy: int, *, along: Any) -> dict[str, Any]:
        self.row = {**self.row, "primacy": primacy}
        return self.row

    async def remove_program(self, number: int, *, along: Any) -> None:
        self.row = {}


async def test_a_program_is_ranked_and_removed_as_it_was_read(make_house: Any) -> None:
    port: Any = Port()
    house = await make_house(areas=lambda _: [Sep2DevicesArea(port), Sep2ProgramsArea(port), Sep2ResourcesArea(port)])
    status, body, headers = await house.ask("GET", PATH, scope="read")
    assert (status, body["name"]) == (200, "summer")
    port.row["controls"] = 7
    match = {"If-Match": headers["ETag"]}
    rank = f"{PATH}/primacy"
    status, body, changed = await house.ask("PUT", rank, scope="control", json={"primacy": 2}, headers=match)
    assert (status, body["primacy"], body["controls"]) == (200, 2, 7)
    assert (await house.ask("PUT", rank, scope="control", json={"primacy": 9}, headers=match))[0] == 412
    assert (await house.ask("DELETE", PATH, scope="admin", headers=match))[0] == 412
    assert port.row["primacy"] == 2
    fresh = {"If-Match": changed["ETag"]}
    assert (await house.ask("DELETE", PATH, scope="admin", headers=fresh))[0] == 200
    for missing in ("1", "0", "x"):
        assert (await house.ask("GET", f"/api/v1/sep2/programs/{missing}", scope="read"))[0] == 404
