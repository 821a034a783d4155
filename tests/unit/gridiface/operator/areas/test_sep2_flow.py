"""Flow reservations over REST: what is asked of the port, its audit entry, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.operator.areas.sep2_flow import Sep2FlowArea
from gridiface.operator.records.audit import newest

ROOT = "/api/v1/sep2/flow-reservations"
PATH = "/edev/3/frq/1"


def row(path: str = PATH, state: str = "granted") -> dict[str, Any]:
    grant = {"path": "/edev/3/frp/1", "status": 0, "start": 9, "duration": 60, "energy_wh": 1.0, "power_w": 2.0}
    return {"path": path, "lfdi": "AB" * 20, "device": "car", "mrid": "F1", "description": "", "start": 9,
            "duration": 90, "wanted_s": None, "energy_wh": 5.0, "power_w": 6.0, "state": state,
            "grants": [grant]}  # fmt: skip


class Port:
    """Remembers what was asked; what is in `refuses` is refused."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.refuses: Exception | None = None
        self.records: Any = None

    def find_flow_requests(self, text: str, start: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        rows = [row(f"/edev/3/frq/{n}") for n in range(5) if text in f"/edev/3/frq/{n}"]
        return rows[start : start + limit], len(rows)

    def flow_request(self, path: str) -> dict[str, Any]:
        return row(path)

    async def answer_flow(self, path: str, asked: Any, *, by: str, along: Any) -> dict[str, Any]:
        return await self._do("answer", path, asked, by, along=along)

    async def cancel_flow(self, path: str, *, reason: str, along: Any) -> dict[str, Any]:
        return await self._do("cancel", path, reason, along=along)

    async def _do(self, *what: Any, along: Any) -> dict[str, Any]:
        if self.refuses is not None:
            raise self.refuses
        self.asked.append(what)
        await self.records.commit(along)
        return row()


@pytest.fixture
async def house(make_house: Any) -> Any:
    port = Port()
    made = await make_house(areas=lambda desk: [Sep2FlowArea(port)])
    port.records = made.records
    made.port = port
    return made


NOTHING = {"energy_wh": None, "power_w": None, "start": None, "duration": None, "refuse": False}


@pytest.mark.parametrize(
    ("path", "body", "asked", "what"),
    [
        ("/answer", {"power_w": 3000, "duration": 600},
         ("answer", PATH, NOTHING | {"power_w": 3000.0, "duration": 600}, "controler"), "sep2.flow.grant"),
        ("/answer", {"refuse": True}, ("answer", PATH, NOTHING | {"refuse": True}, "controler"), "sep2.flow.refuse"),
        ("/cancel", {"reason": "full"}, ("cancel", PATH, "full"), "sep2.flow.cancel"),
    ],
)  # fmt: skip
async def test_acts_are_asked_of_the_server_with_their_audit_entry(
    house: Any, path: str, body: Any, asked: tuple[Any, ...], what: str
) -> None:
    status, said, _ = await house.ask("POST", ROOT + path, json={"path": PATH, **body}, scope="control")
    assert (status, said) == (200, row())
    assert house.port.asked == [asked]
    (entry,) = await newest(house.records, 1)
    assert (entry["what"], entry["subject"]) == (what, PATH)
    assert (await house.ask("POST", ROOT + path, json={"path": PATH, **body}, scope="read"))[0] == 403


@pytest.mark.parametrize(
    "body",
    [{"refuse": True, "power_w": 1}, {"power_w": -1}, {"energy_wh": 0}, {"duration": 0}, {"path": "/derp/1"}],
)
async def test_what_makes_no_sense_is_refused(house: Any, body: Any) -> None:
    assert (await house.ask("POST", f"{ROOT}/answer", json={"path": PATH, **body}, scope="control"))[0] == 422
    assert house.port.asked == []


async def test_a_page_of_requests(house: Any) -> None:
    _, first, _ = await house.ask("GET", f"{ROOT}?limit=2", scope="read")
    assert (len(first["requests"]), first["total"], first["next"]) == (2, 5, "2")
    _, rest, _ = await house.ask("GET", f"{ROOT}?limit=9&after=2", scope="read")
    assert (len(rest["requests"]), rest["next"]) == (3, None)


async def test_what_the_server_refuses_leaves_no_entry(house: Any) -> None:
    house.port.refuses = RemoteProtocolError("nothing is granted", answer=409)
    assert (await house.ask("POST", f"{ROOT}/cancel", json={"path": PATH}, scope="control"))[0] == 409
    assert not [e for e in await newest(house.records, 9) if e["what"].startswith("sep2")]
