"""The small parts of the adapter: identities, documents, settings, kinds, counters, locks, writer, log, loading."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.changes import Document
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Device, Group, Nameplate, Role
from gridiface.errors import ConfigError, LocalProtocolError, StoreUnavailable
from gridiface.northbound.sep2.members.placing import time_at
from gridiface.northbound.sep2.served import documents, identities
from gridiface.northbound.sep2.served.counters import Counters
from gridiface.northbound.sep2.served.kinds import KINDS, Kind, ListKind, kind, list_kind
from gridiface.northbound.sep2.served.locks import NamedLocks
from gridiface.northbound.sep2.served.records import program_from, program_head, record_from, record_head
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, Program
from gridiface.northbound.sep2.settings import ClientEntry, Sep2Settings
from gridiface.northbound.sep2.writer import BackgroundWriter
from gridiface.protocols.sep2.resources import DERStatus
from gridiface.protocols.sep2.uris import BY_TEMPLATE, Need

LFDI = "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5"
PAGE = Path(__file__).resolve().parents[5] / "docs" / "reference" / "sep2-resources.md"


# --- identities ---


def test_the_sfdi_of_the_standards_example() -> None:
    assert identities.sfdi(LFDI) == 167_261_211_391


def test_names_follow_from_what_they_name_and_end_in_the_pen() -> None:
    lfdi = identities.derived_lfdi("site", "device", "bat-1", 40732)
    assert len(lfdi) == 40
    assert lfdi.endswith("00009F1C")
    assert lfdi == identities.derived_lfdi("site", "device", "bat-1", 40732)
    assert len({lfdi, identities.derived_lfdi("site", "group", "bat-1", 40732),
                identities.derived_lfdi("other", "device", "bat-1", 40732)}) == 3  # fmt: skip
    mrid = identities.mrid("site", "derp", "x", 40732)
    assert len(mrid) == 32
    assert mrid.endswith("00009F1C")


# --- documents ---


def test_a_record_survives_its_document() -> None:
    change = documents.put(documents.DEVICE_INFO, "/edev/1/der/1/ders", DERStatus(readingTime=5), {"a": [1, None]})
    record = documents.open_record(Document(change.space, change.key, change.body))
    assert record.head == {"a": [1, None]}
    assert record.resource(DERStatus) == DERStatus(readingTime=5)


@pytest.mark.parametrize("body", [b"", b"no json\n<a/>", b"{}\n<a/>", b"{}\n"])
def test_a_damaged_record_is_said_to_be_damaged(body: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        documents.open_record(Document("sep2/info", "k", body)).resource(DERStatus)


@pytest.mark.parametrize(
    ("path", "space"),
    [
        ("/edev/1/lel/2", documents.LOG_EVENTS),
        ("/edev/1/der/1/ders", documents.DEVICE_INFO),
        ("/edev/1/di", documents.DEVICE_INFO),
        ("/derp/1/derc/2", documents.CONTROLS),
        ("/derp/1/dderc", documents.DEFAULTS),
        ("/derp/1/dc/3", documents.CURVES),
        ("/rsps/1/rsp/2", documents.RESPONSES),
        ("/mup/1", documents.MIRRORS),
        ("/upt/1/mr/2", documents.METER_READINGS),
        ("/upt/1/mr/2/rs/3", documents.READING_SETS),
        ("/edev/1", None),
        ("/upt/1", None),
        ("/tm", None),
    ],
)
def test_each_stored_path_has_its_space(path: str, space: str | None) -> None:
    assert documents.space_of(path) == space


@pytest.mark.parametrize("pin", [111_114, 123_456, 1_000_000])
async def test_reject_a_pin_without_its_check_digit(kit: Any, pin: int) -> None:
    with pytest.raises(ConfigError, match="mistyped"):
        ClientEntry(lfdi="AB" * 20, pin=pin)
    with pytest.raises(ConfigError, match="mistyped"):
        await kit.core.add_end_device("AB" * 20, kit.NOW, pin=pin)
    assert (await kit.core.add_end_device("AB" * 20, kit.NOW, pin=111_115)).startswith("/edev/")


async def test_a_damaged_document_does_not_keep_the_others_from_being_read(
    kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await kit.send("POST", kit.program("fleet") + "/derc", kit.control("01" * 16))
    key = ("sep2/derc", kit.program("fleet") + "/derc/999")
    kit.ledger.kept[key] = Document(*key, b"{}\n<broken")
    with caplog.at_level("ERROR"):
        other = await kit.restarted()
    assert (await other.get(kit.program("fleet") + "/derc")).all == 1
    assert "999" in caplog.text
    assert key in kit.ledger.kept


# --- settings ---


def test_settings_that_cannot_be_are_refused() -> None:
    for make in (
        lambda: ClientEntry(lfdi="abc"),
        lambda: ClientEntry(lfdi=LFDI.lower()),
        lambda: ClientEntry(lfdi=LFDI, role=Role.OPERATOR),
        lambda: Sep2Settings(poll_rates={"DERControlList": 5}),
        lambda: Sep2Settings(clients=(ClientEntry(lfdi=LFDI), ClientEntry(lfdi=LFDI, role=Role.UTILITY))),
        lambda: Sep2Settings(pen=2**32),
    ):
        with pytest.raises(ConfigError):
            make()


async def test_poll_rates_are_shown_where_they_are_set(make_kit: Any) -> None:
    kit = await make_kit(poll_rates={"EndDeviceList": 7})
    assert (await kit.get("/edev")).pollRate == 7
    assert (await kit.get("/dcap")).pollRate == 900


# --- kinds ---


def test_every_kind_offers_what_the_standard_demands_and_nothing_that_it_forbids() -> None:
    beyond = {
        ("/derp/{id1}/derc/{id2}", "PUT"),  # the utility cancels by EventStatus
        ("/derp/{id1}/dderc", "DELETE"),
        ("/dr/{id1}/edc/{id2}", "PUT"),  # cancelled as a DERControl is
        ("/tp/{id1}/rc/{id2}/tti/{id3}", "PUT"),
        ("/msg/{id1}/txt/{id2}", "PUT"),
        ("/edev/{id1}/frp/{id2}", "PUT"),
        ("/bill/{id1}/ss", "PUT"),  # the utility writes who supplies
    }
    for template, offered in KINDS.items():
        row = BY_TEMPLATE.get(template)
        if row is None:
            continue
        assert row.mandatory() <= set(offered.methods), template
        for method in set(offered.methods):
            assert row.need(method) is not Need.ERROR or (template, method) in beyond, (template, method)


def test_kinds_by_template() -> None:
    assert isinstance(kind("/dcap"), Kind)
    assert isinstance(list_kind("/edev"), ListKind)
    with pytest.raises(KeyError):
        kind("/edev")
    with pytest.raises(KeyError):
        list_kind("/dcap")


def test_only_lists_of_the_table_take_a() -> None:
    timed = {template for template, k in KINDS.items() if isinstance(k, ListKind) and k.time is not None}
    # these take it by the table, but are ordered by a name or a quantity: there it is ignored
    by_name = {f"/bill/{{id1}}/ca{rest}" for rest in ("", "/{id2}/pro", "/{id2}/tar", "/{id2}/ver")}
    by_start = "/tp/{id1}/rc/{id2}/tti/{id3}/cti"
    assert timed == {t for t, row in BY_TEMPLATE.items() if row.after and t in KINDS} - by_name - {by_start}


def test_the_reference_page_names_every_resource_with_its_methods() -> None:
    page = PAGE.read_text()
    for template, offered in KINDS.items():
        assert f"| `{template}` | {offered.name} | {' '.join(offered.methods)} |" in page, template


# --- counters ---


def test_numbers_are_reserved_in_blocks_and_never_given_twice() -> None:
    first, again = Counters(), Counters()
    number, changes = first.take("rsp/1")
    assert number == 1
    assert len(changes) == 1
    assert all(first.take("rsp/1")[1] == [] for _ in range(200))
    record = documents.open_record(Document("sep2/counters", "rsp/1", changes[0].body))  # type: ignore[union-attr]
    again.load("rsp/1", record.head["reserved"])
    assert again.take("rsp/1")[0] > first.take("rsp/1")[0]


def test_numbers_that_are_taken_are_not_given() -> None:
    counters = Counters()
    counters.saw("edev", 7)
    assert counters.take("edev", 3)[0] == 8
    assert counters.take("edev")[0] == 11


# --- locks ---


async def test_a_lock_is_held_by_one_at_a_time_and_forgotten_afterwards() -> None:
    locks, order = NamedLocks(), []

    async def work(name: str, which: int) -> None:
        async with locks.hold(name):
            order.append((name, which, "in"))
            await asyncio.sleep(0)
            order.append((name, which, "out"))

    await asyncio.gather(work("a", 1), work("a", 2), work("b", 3))
    assert [entry for entry in order if entry[0] == "a"] == [
        ("a", 1, "in"), ("a", 1, "out"), ("a", 2, "in"), ("a", 2, "out"),
    ]  # fmt: skip
    assert order.index(("b", 3, "in")) < order.index(("a", 1, "out"))
    assert locks._waiting == {}


async def test_a_failing_holder_lets_go() -> None:
    locks = NamedLocks()
    with pytest.raises(KeyError):
        async with locks.hold("a"):
            raise KeyError
    async with locks.hold("a"):
        assert set(locks._waiting) == {"a"}


async def test_who_gave_up_waiting_for_a_lock_is_passed_over_even_when_its_turn_has_come() -> None:
    locks, order = NamedLocks(), list[int]()

    async def work(which: int) -> None:
        async with locks.hold("a"):
            order.append(which)

    async with locks.hold("a"):
        early, late, last = (asyncio.create_task(work(which)) for which in range(3))
        await asyncio.sleep(0)
        early.cancel()
        await asyncio.sleep(0)
    late.cancel()  # the lock was just passed to it
    await asyncio.gather(early, late, last, return_exceptions=True)
    assert order == [2]
    assert locks._waiting == {}


async def test_those_behind_a_holder_are_turned_away_while_the_store_is_out_of_reach() -> None:
    locks = NamedLocks()

    async def work(name: str) -> str:
        async with locks.hold(name):
            return "held"

    async with locks.hold("a"):
        behind = [asyncio.create_task(work("a")) for _ in range(2)]
        await asyncio.sleep(0)
        locks.on_reach("PostgreSQL is gone")
        assert [str(error) for error in await asyncio.gather(*behind, return_exceptions=True)] == [
            "PostgreSQL is gone"
        ] * 2
        with pytest.raises(StoreUnavailable, match="PostgreSQL is gone"):
            await work("a")
        assert await work("b") == "held"
        locks.on_reach("")
        after = asyncio.create_task(work("a"))
        await asyncio.sleep(0)
    assert await after == "held"
    assert locks._waiting == {}


# --- writer ---


async def test_what_follows_a_write_is_done_when_it_is_durable(kit: Any) -> None:
    writer, done = BackgroundWriter(kit.ledger), []
    change = documents.put("sep2/info", "k", None)
    writer.put([change], lambda: done.append(("sep2/info", "k") in kit.ledger.kept))
    writer.put([], lambda: done.append(True))
    writer.start()
    await writer.drain()
    assert done == [True, True]
    await writer.stop()


async def test_nothing_is_lost_while_the_store_cannot_write(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridiface.northbound.sep2.writer._RETRY_S", 0.001)
    writer, done = BackgroundWriter(kit.ledger), []
    writer.start()
    kit.ledger.down = True
    for number in range(3):
        writer.put([documents.put("sep2/info", str(number), None)], lambda n=number: done.append(n))
    for _ in range(20):
        await asyncio.sleep(0)
    assert done == []
    kit.ledger.down = False
    await writer.stop()
    assert done == [0, 1, 2]
    assert {key for space, key in kit.ledger.kept if space == "sep2/info"} == {"0", "1", "2"}


async def test_one_follow_up_that_fails_does_not_stop_the_others(kit: Any, caplog: pytest.LogCaptureFixture) -> None:
    writer, done = BackgroundWriter(kit.ledger), []

    def fail() -> None:
        raise ValueError("x")

    writer.put([], fail)
    writer.put([], lambda: done.append(1))
    writer.start()
    await writer.stop()
    assert done == [1]
    assert "failed" in caplog.text


# --- membership ---


def test_heads_survive() -> None:
    record = EndDeviceRecord(number=3, lfdi=LFDI, sfdi=1, device_id="d", registered=5, changed=6, pin=7, program=2)
    assert record_from(record_head(record)) == record
    program = Program(number=2, mrid="AB", primacy=9, description="d", target=Target(TargetKind.GROUP, "g"), owner=3)
    assert program_from(program_head(program)) == program
    assert (record.path, record.der, record.connects, record.speaks) == ("/edev/3", "/edev/3/der/1", True, True)
    assert not replace(record, pin=None).speaks
    assert replace(record, pin=None, managed=True).speaks


async def test_the_fleets_changes_are_followed(kit: Any) -> None:
    membership = kit.core.membership
    kit.fleet.known["bat-2"] = Device(id="bat-2", nameplate=Nameplate(max_w=1.0), driver="sunspec")
    kit.fleet.grouped["north"] = Group(id="north", members=("bat-2",))
    del kit.fleet.grouped["fleet"]
    await membership.reconcile(kit.NOW + 5)
    names = {p.description for p in (await kit.get("/derp?l=99")).members}
    assert {"bat-2", "north"} <= names
    assert "Whole fleet" not in names
    assert (await kit.get("/edev?l=1")).members[0].changedTime == kit.NOW + 5  # newest first
    before = kit.documents()
    await membership.reconcile(kit.NOW + 9)
    assert kit.documents() == before


async def test_clients_that_the_fleet_does_not_know_get_a_device_of_their_own(make_kit: Any) -> None:
    kit = await make_kit(clients=(ClientEntry(lfdi=LFDI),))
    device = kit.fleet.known["sep2-167261211391"]
    assert device.identities == {"lfdi": LFDI}
    assert (await kit.get("/edev", by=LFDI)).members[0].sFDI == 167_261_211_391


async def test_a_fleet_without_devices_removes_nobody(kit: Any) -> None:
    kit.fleet.known.clear()
    await kit.core.membership.reconcile(kit.NOW)
    assert (await kit.get("/edev?l=99")).all == 6


# --- placing ---


_SUMMER = (1_806_195_600, 1_824_944_400)
_NEXT = (1_837_645_200, 1_856_394_000)


@pytest.mark.parametrize(
    ("now", "offset", "period"),
    [(1_806_195_599.5, 3600, _SUMMER), (1_806_195_600.0, 7200, _SUMMER), (1_824_944_399.9, 7200, _SUMMER),
     (1_824_944_400.0, 3600, _NEXT)],
)  # fmt: skip
def test_local_time_follows_the_offsets(now: float, offset: int, period: tuple[int, int]) -> None:
    found = time_at(Sep2Settings(timezone="Europe/Berlin"), now)
    assert (found.currentTime, found.localTime) == (int(now), int(now) + offset)
    assert (found.tzOffset, found.dstOffset, found.dstStartTime, found.dstEndTime) == (3600, 3600, *period)


async def test_self_device_shows_the_identity_of_our_certificate(make_kit: Any) -> None:
    lfdi = "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5"
    shown = await (await make_kit(lfdi=lfdi)).get("/sdev")
    assert (shown.lFDI, shown.sFDI) == (lfdi, 167261211391)
    derived = await (await make_kit()).get("/sdev")
    assert derived.lFDI.endswith(f"{40732:08X}")
