"""Responses of devices: validated, stored per device, told to the fleet."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import OutcomeKind
from gridiface.northbound.sep2.settings import LimitSettings

MRID = "A1" * 16
LEGAL = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 252, 253, 254)


def where(kit: Any, name: str) -> str:
    return kit.program(name).replace("derp", "rsps") + "/rsp"


async def post(kit: Any, status: int = 1, *, name: str = "inv-1", by: str = "inv-1", **fields: Any) -> Any:
    lfdi = fields.get("lfdi", kit.core.state.by_device[name].lfdi)
    body = kit.response(lfdi, fields.get("subject", MRID), status, kit.clock.time)
    return await kit.send("POST", where(kit, fields.get("at", name)), body, by=by)


@pytest.fixture
async def asked(kit: Any) -> Any:
    """Controls in the own programs of inv-1 and managed-1."""
    assert (await kit.send("POST", kit.program("inv-1") + "/derc", kit.control(MRID))).status == 201
    assert (await kit.send("POST", kit.program("managed-1") + "/derc", kit.control("B1" * 16))).status == 201
    return kit


@pytest.mark.parametrize("status", LEGAL)
async def test_accept_responses_1_10_13_14_252_254_with_201_and_store_them_per_device(asked: Any, status: int) -> None:
    reply = await post(asked, status)
    assert reply.status == 201
    found = await asked.get(reply.headers["Location"], by="inv-1")
    assert (found.status, found.subject, found.endDeviceLFDI) == (status, MRID, asked.lfdi["inv-1"])
    assert (await asked.get(where(asked, "inv-1"))).members == [found]
    told = [(o.control_id, o.device_id) for o in asked.registry.outcomes]
    assert told == ([] if status == 5 else [(f"sep2:{MRID}", "inv-1")])


@pytest.mark.parametrize("status", [0, 11, 12, 15, 100, 251, 255])
async def test_reject_responses_with_an_illegal_status(asked: Any, status: int) -> None:
    before = asked.documents()
    assert (await post(asked, status)).status == 400
    assert asked.documents() == before


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"subject": "C1" * 16}, 400),  # no such event
        ({"subject": "B1" * 16}, 400),  # an event of another program
        ({"lfdi": "AB" * 20}, 400),  # nobody's
        ({"name": "inv-2", "at": "inv-1"}, 403),  # another's
        ({"by": "inv-2"}, 404),  # another's program
        ({"by": "utility"}, 403),
    ],
)
async def test_reject_responses_with_unknown_mrid_unknown_lfdi_or_for_others(
    asked: Any, fields: dict[str, Any], status: int
) -> None:
    before = asked.documents()
    assert (await post(asked, 1, **fields)).status == status
    assert asked.documents() == before
    assert asked.registry.outcomes == []


async def test_an_aggregator_answers_with_the_devices_lfdi(asked: Any) -> None:
    assert (await post(asked, 1, name="managed-1", by="aggregator", subject="B1" * 16)).status == 201
    assert [o.device_id for o in asked.registry.outcomes] == ["managed-1"]
    own = asked.lfdi["aggregator"]
    assert (await post(asked, 2, name="managed-1", by="aggregator", subject="B1" * 16, lfdi=own)).status == 201


async def test_the_same_answer_again_gets_the_place_of_the_first(asked: Any) -> None:
    first = await post(asked, 2)
    asked.at(5)
    again = await post(asked, 2)
    assert (again.status, again.headers["Location"]) == (201, first.headers["Location"])
    assert (await asked.get(where(asked, "inv-1"))).all == 1
    assert len(asked.registry.outcomes) == 1


async def test_newest_first(asked: Any) -> None:
    for seconds, status in ((0, 1), (60, 2), (660, 3)):
        asked.at(seconds)
        await post(asked, status)
    assert [r.status for r in (await asked.get(where(asked, "inv-1") + "?l=9")).members] == [3, 2, 1]


async def test_an_answer_without_a_time_gets_ours(asked: Any) -> None:
    body = asked.response(asked.lfdi["inv-1"], MRID, 1)
    body = body.replace(f"<createdDateTime>{int(asked.NOW)}</createdDateTime>", "")
    reply = await asked.send("POST", where(asked, "inv-1"), body, by="inv-1")
    assert (await asked.get(reply.headers["Location"])).createdDateTime == asked.NOW


@pytest.mark.parametrize("element", ["DrResponse", "PriceResponse", "TextResponse", "FlowReservationResponseResponse"])
async def test_responses_of_other_kinds_do_not_fit_a_control(asked: Any, element: str) -> None:
    body = asked.response(asked.lfdi["inv-1"], MRID, 1).replace("DERControlResponse", element)
    assert (await asked.send("POST", where(asked, "inv-1"), body, by="inv-1")).status == 400


async def test_a_plain_response_is_good_enough(asked: Any) -> None:
    body = asked.response(asked.lfdi["inv-1"], MRID, 1).replace("DERControlResponse", "Response")
    assert (await asked.send("POST", where(asked, "inv-1"), body, by="inv-1")).status == 201


async def test_a_late_answer_to_a_control_that_left_its_list_is_taken(make_kit: Any) -> None:
    kit = await make_kit(event_retention_s=10.0)
    await kit.send("POST", kit.program("inv-1") + "/derc", kit.control(MRID))
    kit.at(1000)
    assert (await kit.get(kit.program("inv-1") + "/derc")).all == 0
    assert (await post(kit, 3)).status == 201
    assert [o.kind for o in kit.registry.outcomes] == [OutcomeKind.COMPLETED]


async def test_the_oldest_leave_a_full_set(make_kit: Any) -> None:
    kit = await make_kit(limits=LimitSettings(responses_per_set=2))
    await kit.send("POST", kit.program("inv-1") + "/derc", kit.control(MRID))
    for status in (1, 2, 3):
        await post(kit, status)
    await kit.flush()
    assert {r.status for r in (await kit.get(where(kit, "inv-1") + "?l=9")).members} == {2, 3}
    other = await kit.restarted()
    assert (await other.get(where(other, "inv-1"))).all == 2


async def test_an_answer_that_cannot_be_stored_can_be_given_again(asked: Any) -> None:
    asked.ledger.down = True
    assert (await post(asked, 1)).status == 503
    asked.ledger.down = False
    assert (await post(asked, 1)).status == 201
    assert (await asked.get(where(asked, "inv-1"))).all == 1


@pytest.mark.parametrize("named", ["D1", "00D1", "d1", f"{'0' * 30}D1"])
async def test_the_leading_zeros_of_an_mrid_do_not_count(kit: Any, named: str) -> None:
    """Some clients write an mRID with its leading zeros, others without them."""
    path = kit.program("inv-1")
    await kit.post(f"{path}/derc", kit.control("00D1"))
    target = f"{path.replace('derp', 'rsps')}/rsp"
    place = await kit.post(target, kit.response(kit.lfdi["inv-1"], named, 1), by="inv-1")
    assert (await kit.get(place, by="inv-1")).subject == "00D1"
    again = await kit.send("POST", target, kit.response(kit.lfdi["inv-1"], "D1", 1), by="inv-1")
    assert again.headers["Location"] == place
    assert (await kit.send("POST", target, kit.response(kit.lfdi["inv-1"], "D2", 1), by="inv-1")).status == 400
