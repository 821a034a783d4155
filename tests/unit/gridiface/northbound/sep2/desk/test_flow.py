"""Flow reservations as an operator answers them: granted, in part, refused, cancelled; held back where configured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import Verdict
from gridiface.domain.fleet import Nameplate
from gridiface.errors import RemoteProtocolError, StoreUnavailable
from gridiface.northbound.sep2.desk.flow import Sep2FlowDesk
from gridiface.northbound.sep2.settings import FlowSettings


def desk(kit: Any) -> Sep2FlowDesk:
    return Sep2FlowDesk(kit.core, kit.clock)


async def asked(kit: Any, mrid: str = "F100", **more: Any) -> str:
    return str(await kit.post(f"{kit.edev('inv-1')}/frq", kit.bodies.flow(mrid, **more), by="inv-1"))


async def held(make_kit: Any) -> tuple[Any, str]:
    """A server where requests wait, and the path of one."""
    kit = await make_kit(flow=FlowSettings(by_operator=True))
    return kit, await asked(kit)


async def test_a_request_waits_for_the_operator_where_configured(make_kit: Any) -> None:
    kit, path = await held(make_kit)
    for each in (kit, await kit.restarted()):
        (row,), total = desk(each).find_flow_requests("", 0, 9)
        assert (row["path"], row["state"], row["grants"], total) == (path, "waits", [], 1)
        assert (row["energy_wh"], row["power_w"], row["start"], row["duration"]) == (5000, 2500, kit.NOW + 60, 14400)
    assert kit.inbox.controls == {}
    row = await desk(kit).answer_flow(path, {}, by="ann")
    assert (row["state"], row["grants"][0]["energy_wh"], row["grants"][0]["power_w"]) == ("granted", 5000, 2500)
    (control,) = kit.inbox.controls.values()
    assert control.source.identity == "operator:ann"
    grant = (await kit.get(f"{kit.edev('inv-1')}/frp?l=9", by="inv-1")).members[0]
    assert (grant.subject, grant.href) == ("F100", row["grants"][0]["path"])
    # A changed request waits again, and what was granted for the old one is over.
    assert (await kit.send("PUT", path, kit.bodies.flow(energy=1000), by="inv-1")).status == 204
    (row,), _ = desk(kit).find_flow_requests("", 0, 9)
    assert ([g["status"] for g in row["grants"]], kit.inbox.controls) == ([2], {})


async def test_a_part_is_granted_in_place_of_the_whole(kit: Any) -> None:
    path = await asked(kit)
    row = await desk(kit).answer_flow(
        path, {"energy_wh": 1000.0, "power_w": 500.0, "start": int(kit.NOW) + 600, "duration": 7200}, by="ann"
    )
    new, old = row["grants"]
    assert (new["energy_wh"], new["power_w"], new["start"], new["duration"]) == (1000, 500, kit.NOW + 600, 7200)
    assert (new["status"], old["status"]) == (0, 2)
    assert len(kit.inbox.controls) == 1
    assert [r["grants"] for r in desk(await kit.restarted()).find_flow_requests("", 0, 9)[0]] == [row["grants"]]
    discharging = await asked(kit, "F200", energy=-4000, power=-2000)
    row = await desk(kit).answer_flow(discharging, {"power_w": 1000.0}, by="ann")
    assert (row["grants"][0]["power_w"], row["grants"][0]["energy_wh"]) == (-1000, -4000)


async def test_the_device_and_the_engine_bound_what_the_operator_grants(kit: Any) -> None:
    path = await asked(kit)
    kit.fleet.known["inv-1"] = replace(kit.fleet.known["inv-1"], nameplate=Nameplate(max_w=1000.0, max_charge_w=1000.0))
    row = await desk(kit).answer_flow(path, {"power_w": 2000.0}, by="ann")
    assert row["grants"][0]["power_w"] == 1000
    kit.inbox.verdict = Verdict.BLOCKED
    row = await desk(kit).answer_flow(path, {}, by="ann")
    assert (row["state"], row["grants"][0]["energy_wh"], kit.inbox.controls) == ("refused", 0, {})


async def test_what_the_engine_takes_back_at_the_last_moment_is_granted_as_nothing(kit: Any) -> None:
    path = await asked(kit)
    look = kit.inbox.preview
    said = iter([Verdict.ACCEPTED, Verdict.BLOCKED])

    def preview(control: Any, now: float, *, noted=False) -> Any:
        return replace(look(control, now), verdict=next(said))

    kit.inbox.preview = preview
    row = await desk(kit).answer_flow(path, {}, by="ann")
    assert (row["state"], row["grants"][0]["power_w"]) == ("refused", 0)
    assert (await kit.get(row["grants"][0]["path"], by="inv-1")).energyAvailable.value == 0


async def test_a_refusal_is_a_grant_of_nothing_and_a_cancelled_grant_is_followed_by_none(kit: Any) -> None:
    path = await asked(kit)
    row = await desk(kit).answer_flow(path, {"refuse": True}, by="ann")
    assert (row["state"], row["grants"][0]["energy_wh"], row["grants"][0]["status"]) == ("refused", 0, 0)
    row = await desk(kit).answer_flow(path, {}, by="ann")
    assert row["state"] == "granted"
    row = await desk(kit).cancel_flow(path, reason="the street is full")
    assert (row["state"], kit.inbox.controls) == ("cancelled", {})
    shown = await kit.get(row["grants"][0]["path"], by="inv-1")
    assert (shown.eventStatus.currentStatus, shown.eventStatus.reason) == (2, "the street is full")
    with pytest.raises(RemoteProtocolError) as refused:
        await desk(kit).cancel_flow(path, reason="")
    assert refused.value.answer == 409
    assert (await desk(kit).answer_flow(path, {}, by="ann"))["state"] == "granted"


async def test_what_cannot_be_granted_is_refused_and_changes_nothing(kit: Any) -> None:
    path = await asked(kit)
    before = desk(kit).flow_request(path)
    for wrong in (
        {"energy_wh": 5001.0}, {"power_w": 2501.0}, {"start": int(kit.NOW)}, {"duration": 14_401},
        {"start": int(kit.NOW) + 14_000, "duration": 600},
    ):  # fmt: skip
        with pytest.raises(RemoteProtocolError) as refused:
            await desk(kit).answer_flow(path, wrong, by="ann")
        assert refused.value.answer == 400, wrong
    with pytest.raises(RemoteProtocolError) as refused:
        await desk(kit).answer_flow(f"{kit.edev('inv-2')}/frq/1", {}, by="ann")
    assert refused.value.answer == 404
    kit.ledger.down = True
    with pytest.raises(StoreUnavailable):
        await desk(kit).cancel_flow(path, reason="")
    kit.ledger.down = False
    assert desk(kit).flow_request(path) == before
    assert (await kit.send("PUT", path, kit.bodies.flow(status=1), by="inv-1")).status == 204
    late = await asked(kit, "F300")
    kit.at(14_400 + 60)
    for each, state in ((path, "cancelled"), (late, "over")):
        assert desk(kit).flow_request(each)["state"] == state
        with pytest.raises(RemoteProtocolError) as refused:
            await desk(kit).answer_flow(each, {}, by="ann")
        assert refused.value.answer == 409


async def test_requests_are_searched_and_paged_with_the_latest_window_first(kit: Any) -> None:
    first = await asked(kit)
    second = await asked(kit, "F200", start=kit.NOW + 600)
    found, total = desk(kit).find_flow_requests("", 0, 1)
    assert ([row["path"] for row in found], total) == ([second], 2)
    assert [row["path"] for row in desk(kit).find_flow_requests("f100", 0, 9)[0]] == [first]
    assert desk(kit).find_flow_requests("INV-1", 1, 9)[0][0]["path"] == first
    assert desk(kit).find_flow_requests("elsewhere", 0, 9) == ([], 0)
