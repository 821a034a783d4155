"""Flow reservation: what is granted, by the engine and without it; changes, cancelling, responses, restart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import Acceptance, ControlMode, Verdict
from gridiface.domain.fleet import Nameplate
from gridiface.northbound.sep2.settings import FlowSettings

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


async def asked(kit: Any, body: str = "") -> Any:
    """The grant of one request of inv-1."""
    edev = kit.edev("inv-1")
    await kit.post(f"{edev}/frq", body or kit.bodies.flow(), by="inv-1")
    return (await kit.get(f"{edev}/frp?l=9", by="inv-1")).members[0]


async def test_a_request_is_an_energy_target_of_the_engine(kit: Any) -> None:
    grant = await asked(kit)
    assert (grant.subject, grant.energyAvailable.value, grant.powerAvailable.value) == ("F100", 5000, 2500)
    assert (grant.interval.start, grant.interval.duration) == (int(kit.NOW) + 60, 7200)
    (control,) = kit.inbox.controls.values()
    assert control.values[ControlMode.ENERGY_TARGET].value == -5000.0  # charging takes from the grid
    assert (control.target.id, control.interval.start, control.interval.duration) == ("inv-1", kit.NOW + 60, 7200.0)


async def test_without_the_engine_the_rating_bounds_it(make_kit: Any) -> None:
    kit = await make_kit(flow=FlowSettings(engine=False))
    device = kit.fleet.known["inv-1"]
    kit.fleet.known["inv-1"] = replace(device, nameplate=Nameplate(max_w=1000.0, max_charge_w=1000.0))
    grant = await asked(kit)
    assert (grant.powerAvailable.value, grant.interval.duration) == (1000, 14400)
    assert grant.energyAvailable.value == 4000  # the window ends before all of it is in
    assert kit.inbox.controls == {}


async def test_what_the_engine_refuses_is_granted_as_nothing(kit: Any) -> None:
    kit.inbox.verdict = Verdict.BLOCKED
    grant = await asked(kit)
    assert (grant.energyAvailable.value, grant.powerAvailable.value) == (0, 0)
    assert kit.inbox.controls == {}


async def test_what_is_feasible_in_part_is_granted_in_part(kit: Any) -> None:
    kit.inbox.preview = lambda control, now, noted=False: Acceptance(
        control_id=control.id, verdict=Verdict.PARTIAL, feasible_w=-500.0
    )
    grant = await asked(kit)
    assert (grant.energyAvailable.value, grant.powerAvailable.value) == (1000, 500)


async def test_cancelling_the_request_cancels_the_grant_and_its_control(kit: Any) -> None:
    await asked(kit)
    edev = kit.edev("inv-1")
    (control_id,) = kit.inbox.controls
    assert (await kit.send("PUT", f"{edev}/frq/1", kit.bodies.flow(status=1), by="inv-1")).status == 204
    assert kit.inbox.cancelled == [control_id]
    assert await kit.status(f"{edev}/frp/1") == 2
    assert (await kit.get(f"{edev}/frq/1", by="inv-1")).requestStatus.requestStatus == 1


async def test_a_changed_request_is_granted_anew(kit: Any) -> None:
    await asked(kit)
    edev = kit.edev("inv-1")
    assert (await kit.send("PUT", f"{edev}/frq/1", kit.bodies.flow(energy=1000), by="inv-1")).status == 204
    grants = (await kit.get(f"{edev}/frp?l=9", by="inv-1")).members
    assert sorted((g.energyAvailable.value, g.eventStatus.currentStatus) for g in grants) == [(1000, 0), (5000, 2)]
    assert len(kit.inbox.controls) == 1


async def test_grants_and_their_answers_survive_a_restart(kit: Any) -> None:
    grant = await asked(kit)
    body = (
        f"<FlowReservationResponseResponse {NS}><endDeviceLFDI>{kit.lfdi['inv-1']}</endDeviceLFDI><status>2</status>"
        f"<subject>{grant.mRID}</subject></FlowReservationResponseResponse>"
    )
    await kit.post(grant.replyTo, body, by="inv-1")
    (outcome,) = kit.registry.outcomes
    assert (outcome.device_id, outcome.kind.name) == ("inv-1", "STARTED")
    other = await kit.restarted()
    assert (await other.get(f"{grant.replyTo}?l=9", by="inv-1")).all == 1
    assert (await other.get(f"{kit.edev('inv-1')}/frp?l=9", by="inv-1")).members == [grant]
    await other.post(f"{kit.edev('inv-1')}/frq", kit.bodies.flow("F200"), by="inv-1")
    assert (await other.get(f"{kit.edev('inv-1')}/frp?l=9", by="inv-1")).all == 2


async def test_a_device_that_leaves_takes_its_reservations_along(make_kit: Any) -> None:
    kit = await make_kit(in_band_registration=True)
    body = f"<EndDevice {NS}><lFDI>{kit.lfdi['stranger']}</lFDI><sFDI>1</sFDI><changedTime>1</changedTime></EndDevice>"
    edev = await kit.post("/edev", body, by="stranger")
    await kit.post(f"{edev}/frq", kit.bodies.flow(), by="stranger")
    assert (await kit.send("DELETE", edev, by="stranger")).status == 204
    assert not [key for key in kit.documents() if key[1].startswith((edev, "/rsps/frp"))]
    assert not kit.core.state.event_sets
    await kit.restarted()


@pytest.mark.parametrize(
    "wrong",
    [
        ("<mRID>F100</mRID>", "<mRID>00</mRID>"),
        ("<requestStatus>0</requestStatus>", "<requestStatus>1</requestStatus>"),
        ("<requestStatus>0</requestStatus>", "<requestStatus>7</requestStatus>"),
        ("<duration>14400</duration>", "<duration>0</duration>"),
        ("<value>2500</value>", "<value>-2500</value>"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(kit: Any, wrong: tuple[str, str]) -> None:
    body = kit.bodies.flow().replace(*wrong)
    assert body != kit.bodies.flow()
    path = f"{kit.edev('inv-1')}/frq"
    assert (await kit.send("POST", path, body, by="inv-1")).status == 400
    assert (await kit.send("POST", path, kit.bodies.flow(), by="utility")).status == 403
    assert (await kit.get(path, by="inv-1")).all == 0


async def test_a_request_is_known_by_any_spelling_of_its_mrid(kit: Any) -> None:
    frq = f"{kit.edev('inv-1')}/frq"
    body = kit.bodies.flow("0E01")
    path = await kit.post(frq, body, by="inv-1")
    again = await kit.send("POST", frq, body.replace(">0E01<", ">00000E01<"), by="inv-1")
    assert (again.status, again.headers["Location"]) == (204, path)
    more = kit.bodies.flow("000E01", energy=1234)
    assert (await kit.send("PUT", path, more, by="inv-1")).status == 204
    found = await kit.get(path, by="inv-1")
    assert (found.mRID, found.energyRequested.value) == ("0E01", 1234)
