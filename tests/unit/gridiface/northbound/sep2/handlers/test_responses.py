"""Responses of devices: validated, stored per device, told to the fleet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.waiting import until

from gridiface.domain.controls import OutcomeKind
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.northbound.sep2.settings import LimitSettings
from gridiface.protocols.sep2.resources import DERControlResponse

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


class Gate:
    """Holds commits back until it is opened, then lets them through or fails them."""

    def __init__(self, kit: Any) -> None:
        self._commit, self._opened = kit.ledger.commit, asyncio.Event()
        self.waiting = 0
        self.fault: BaseException | None = None
        kit.ledger.commit = self.commit

    async def commit(self, changes: Any) -> None:
        self.waiting += 1
        await self._opened.wait()
        if self.fault is not None:
            raise self.fault
        await self._commit(changes)

    def open(self, fault: BaseException | None = None) -> None:
        self.fault = fault
        self._opened.set()


async def twice(asked: Any, gate: Gate) -> list[asyncio.Task[Any]]:
    """The same answer twice at once, on its way to the store."""
    both = [asyncio.create_task(post(asked, 1)) for _ in range(2)]
    await until(lambda: gate.waiting, "the store is asked")
    for _ in range(5):
        await asyncio.sleep(0)
    return both


async def test_the_same_answer_again_is_not_acknowledged_before_the_first_is_durable(asked: Any) -> None:
    gate = Gate(asked)
    both = await twice(asked, gate)
    assert not any(task.done() for task in both)
    gate.open()
    first, again = await asyncio.gather(*both)
    assert (first.status, again.status) == (201, 201)
    assert first.headers["Location"] == again.headers["Location"]
    assert len(asked.registry.outcomes) == 1


async def test_neither_of_two_is_acknowledged_where_the_store_fails(asked: Any) -> None:
    gate = Gate(asked)
    both = await twice(asked, gate)
    gate.open(StoreUnavailable("the disk is full"))
    assert {reply.status for reply in await asyncio.gather(*both)} == {503}
    gate.fault = None
    assert (await post(asked, 1)).status == 201
    assert (await asked.get(where(asked, "inv-1"))).all == 1


async def test_an_answer_that_failed_for_any_reason_can_be_given_again(asked: Any) -> None:
    gate = Gate(asked)
    gate.open(LocalProtocolError("the store does not take these rows"))
    assert (await post(asked, 1)).status == 500
    gate.fault = None
    assert (await post(asked, 1)).status == 201
    assert (await asked.get(where(asked, "inv-1"))).all == 1


async def test_an_answer_that_was_given_on_the_devices_behalf_is_not_acknowledged_before_it_is_durable(
    asked: Any,
) -> None:
    asked.ledger.down = True
    record = asked.core.state.by_device["inv-1"]
    given = DERControlResponse(subject=MRID, endDeviceLFDI=record.lfdi, status=1)
    asked.core.responses.add_later(asked.core.state.programs[record.program], given)
    assert (await post(asked, 1)).status == 503
    asked.ledger.down = False
    await asked.flush()
    reply = await post(asked, 1)
    assert (reply.status, (await asked.get(where(asked, "inv-1"))).all) == (201, 1)


async def test_an_answer_whose_program_goes_while_it_is_stored_is_taken(asked: Any) -> None:
    gate = Gate(asked)
    task = asyncio.create_task(post(asked, 1, by="inv-1"))
    await until(lambda: gate.waiting, "the store is asked")
    asked.core.state.tree.remove(where(asked, "inv-1"))
    gate.open()
    reply = await task
    assert reply.status == 201
    assert asked.core.state.tree.get(reply.headers["Location"]) is None


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


async def test_who_opted_out_in_mid_event_and_in_again_takes_part_from_then_on(asked: Any) -> None:
    asked.at(30.0)
    for status in (1, 4, 5):
        assert (await post(asked, status)).status == 201
    told = [OutcomeKind.RECEIVED, OutcomeKind.FAILED, OutcomeKind.RECEIVED]
    assert [o.kind for o in asked.registry.outcomes] == told, "nothing runs yet: it will take part"


async def test_an_opt_in_of_a_running_event_is_a_step_only_after_an_opt_out(asked: Any) -> None:
    asked.at(90.0)
    assert (await post(asked, 4)).status == 201
    assert (await post(asked, 5)).status == 201
    assert [o.kind for o in asked.registry.outcomes] == [OutcomeKind.FAILED, OutcomeKind.STARTED]
    assert (await post(asked, 2)).status == 201
    for status in (4, 5, 5):
        assert (await post(asked, status)).status == 201
    told = [o.kind for o in asked.registry.outcomes][2:]
    assert told == [OutcomeKind.STARTED, OutcomeKind.FAILED, OutcomeKind.STARTED], "each change of mind counts, once"


async def test_that_an_event_starts_is_no_part_in_it_for_who_opted_out_before(asked: Any) -> None:
    asked.at(30.0)
    assert (await post(asked, 4)).status == 201
    asked.at(90.0)
    assert (await post(asked, 2)).status == 201
    assert [o.kind for o in asked.registry.outcomes] == [OutcomeKind.FAILED]
