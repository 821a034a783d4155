"""One battery for both engines: what the ports promise, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from dataclasses import asdict, replace

import pytest

from gridiface.domain.changes import (
    AppendDecisions,
    AppendDeliveries,
    AppendOutcome,
    AppendPerformance,
    AppendReadings,
    DeleteDocument,
    Document,
    KeepDocument,
    PutControl,
    PutDocument,
)
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ControlState,
    Decision,
    Delivery,
    DeliveryOutcome,
    ModeValue,
    Outcome,
    OutcomeKind,
    ServiceClass,
    Setpoint,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.performance_sums import Summed
from gridiface.domain.ports import NOTHING, WHOLE, Reach
from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Quality, Reading
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.operator.auth.sessions import MARKS, SessionBook
from gridiface.operator.auth.users import UserBook
from gridiface.store import spans
from gridiface.store.repository import Store

NOW = 1_767_225_600.25
SOURCE = Source(protocol="2030.5", program="P1", identity="lfdi-1", authority=3.5)
TARGET = Target(TargetKind.GROUP, "feeder-1")


def control(name: str, start: float = NOW, duration: float | None = 60.0, **changes: object) -> Control:
    made = Control(
        id=name,
        source=SOURCE,
        target=TARGET,
        values={ControlMode.SET_W: ModeValue(-1500.5, "", {"curve": [(1, 2.5)], "raw": b"\x00\xff"})},
        interval=Interval(start, duration),
        created=NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names are checked by replace itself


def reading(device: str, at: float, value: float = 1.0) -> Reading:
    return Reading(
        device_id=device, quantity=Quantity.ACTIVE_POWER, value=value, source_time=at, received=at + 0.5, phase=Phase.AN
    )


async def test_documents_count_their_changes_and_come_back_by_key(store: Store) -> None:
    await store.commit([PutDocument("sep2", "b", b"\x00one"), PutDocument("sep2", "B", b"two")])
    await store.commit([PutDocument("sep2", "b", b"three"), PutDocument("other", "a", b"")])
    assert await store.documents("sep2") == [Document("sep2", "B", b"two", 1), Document("sep2", "b", b"three", 2)]
    assert await store.document("other", "a") == Document("other", "a", b"", 1)
    assert await store.document("other", "b") is None
    assert await store.documents("none") == []
    assert [await store.octets("sep2", "b", *part) for part in ((), (2,), (1, 2), (5,), (9, 9), (0, 0))] == [
        b"three", b"ree", b"hr", b"", b"", b"",
    ]  # fmt: skip
    assert await store.octets("other", "a") == b""
    assert await store.octets("other", "b") is None


async def test_a_document_that_is_there_is_kept(store: Store) -> None:
    await store.commit([KeepDocument("s", "k", b"1"), KeepDocument("s", "k", b"2")])
    await store.commit([KeepDocument("s", "k", b"3"), KeepDocument("s", "j", b"4")])
    assert await store.documents("s") == [Document("s", "j", b"4", 1), Document("s", "k", b"1", 1)]
    await store.commit([PutDocument("s", "k", b"5"), KeepDocument("s", "k", b"6"), DeleteDocument("s", "j")])
    await store.commit([KeepDocument("s", "j", b"7")])
    assert await store.documents("s") == [Document("s", "j", b"7", 1), Document("s", "k", b"5", 2)]


async def test_servers_that_first_start_on_one_database_at_once_agree_on_the_mark_of_their_cookies(
    store: Store, url: str
) -> None:
    """On PostgreSQL through connections of their own; an SQLite file has one writer, whoever asks it."""
    async with contextlib.AsyncExitStack() as opened:
        stores = [store] * 6
        if store.database.path is None:
            stores = [await opened.enter_async_context(await Store.open(url)) for _ in range(6)]
        books = [SessionBook(one, UserBook(one)) for one in stores]
        await asyncio.gather(*(book.load(NOW) for book in books))
    assert [one.body.decode() for one in await store.documents(MARKS)] == [books[0].mark]
    assert len({book.mark for book in books}) == 1


async def test_puts_and_deletes_of_one_key_keep_their_order(store: Store) -> None:
    await store.commit([PutDocument("s", "k", b"1"), DeleteDocument("s", "k"), PutDocument("s", "k", b"2")])
    assert await store.documents("s") == [Document("s", "k", b"2", 1)]
    await store.commit([PutDocument("s", "k", b"3"), PutDocument("s", "j", b""), DeleteDocument("s", "k")])
    await store.commit([DeleteDocument("s", "never there")])
    assert [document.key for document in await store.documents("s")] == ["j"]


async def test_controls_are_replaced_by_id_and_come_back_as_they_were(store: Store) -> None:
    first = control("c1", description="h\u00e9\nllo \x00", extra={"$": "x"}, effective=Interval(NOW + 2, 58.0))
    await store.commit([PutControl(first), PutControl(control("c0", created=NOW - 1))])
    assert await store.controls() == [control("c0", created=NOW - 1), first]
    await store.commit([PutControl(replace(first, state=ControlState.ACTIVE))])
    found = await store.control("c1")
    assert found == replace(first, state=ControlState.ACTIVE)
    assert await store.control("c9") is None


async def test_live_controls_are_those_that_may_still_run(store: Store) -> None:
    changes = [
        PutControl(control("over", NOW - 100, 60.0)),
        PutControl(control("random", NOW - 100, 60.0, randomize_duration_s=60.0)),
        PutControl(control("open", NOW - 1e6, None)),
        PutControl(control("late", NOW - 100, 60.0, effective=Interval(NOW, 60.0))),
    ]
    await store.commit(changes)
    assert [c.id for c in await store.controls(live_after=NOW)] == ["late", "open", "random"]


async def test_an_outcome_is_kept_once(store: Store) -> None:
    whole = Outcome(control_id="c", kind=OutcomeKind.RECEIVED, at=NOW, reason="first")
    part = Outcome(control_id="c", kind=OutcomeKind.RECEIVED, at=NOW, device_id="d1")
    started = Outcome(control_id="c", kind=OutcomeKind.STARTED, at=NOW - 1)
    await store.commit([AppendOutcome(whole), AppendOutcome(part), AppendOutcome(replace(whole, reason="again"))])
    await store.commit([AppendOutcome(started), AppendOutcome(replace(whole, at=NOW + 9)), AppendOutcome(part)])
    assert await store.outcomes("c") == [started, whole, part]
    assert await store.outcomes("other") == []


async def test_the_steps_of_all_controls_that_are_taken_up_come_at_once(store: Store) -> None:
    names = ["later", "first", "gone"]
    spans = {"later": NOW - 10, "first": NOW - 20, "gone": NOW - 1e5}
    for name in names:
        await store.commit([PutControl(replace(control(name, spans[name], 60.0), created=spans[name]))])
    kinds = (OutcomeKind.STARTED, OutcomeKind.RECEIVED)
    steps = {
        name: [Outcome(control_id=name, kind=kind, at=spans[name] + at) for at, kind in enumerate(kinds)]
        for name in names
    }
    for name in names:
        await store.commit([AppendOutcome(outcome) for outcome in reversed(steps[name])])
    assert [c.id for c in await store.controls(live_after=NOW - 1000)] == ["first", "later"]
    assert await store.outcomes_of_all(live_after=NOW - 1000) == [*steps["first"], *steps["later"]]
    assert await store.outcomes_of_all(live_after=NOW + 1e5) == []


async def test_readings_are_found_by_device_and_time(store: Store) -> None:
    late, early = reading("d", NOW + 10), reading("d", NOW)
    odd = replace(reading("d", NOW + 5, -math.inf), quality=Quality.BAD, quantity=Quantity.OTHER, duration_s=0.1)
    await store.commit([AppendReadings((late, reading("e", NOW), odd, early)), AppendReadings(())])
    assert await store.readings("d", start=NOW, end=NOW + 10) == [early, odd]
    assert await store.readings("d", start=0, end=math.inf) == [early, odd, late]
    assert await store.readings("d", start=0, end=math.inf, limit=1) == [early]


async def test_a_reading_that_is_no_number_stays_one(store: Store) -> None:
    await store.commit([AppendReadings((reading("d", NOW, math.nan),))])
    (found,) = await store.readings("d", start=0, end=math.inf)
    assert math.isnan(found.value)


async def test_many_readings_at_once_are_all_there(store: Store) -> None:
    rows = tuple(reading(f"d{i % 3}", NOW + i, i / 7) for i in range(6_000))
    await store.commit([AppendReadings(rows)])
    assert await store.readings("d1", start=0, end=math.inf) == [r for r in rows if r.device_id == "d1"]


async def test_decisions_come_newest_first(store: Store) -> None:
    entries = tuple(
        Decision(
            at=NOW + i // 2,
            target=TARGET,
            signal="set_w",
            source=SOURCE,
            verdict="won",
            reason=f"r{i}",
            control_id=f"c{i % 2}",
            value=None if i else 0.1,
        )
        for i in range(6)
    )
    await store.commit([AppendDecisions(entries)])
    assert await store.decisions() == list(reversed(entries))
    assert await store.decisions(control_id="c0", limit=2) == [entries[4], entries[2]]


async def test_performance_of_the_same_interval_is_replaced(store: Store) -> None:
    def interval(target: str, start: float, delivered: float | None) -> PerformanceInterval:
        return PerformanceInterval(
            control_id="c",
            target_id=target,
            start=start,
            end=start + 60,
            requested_w=1000.0,
            accepted_w=1000.0,
            allocated_w=999.5,
            acknowledged_w=None,
            delivered_w=delivered,
            quality=Quality.ESTIMATED,
        )

    await store.commit([AppendPerformance((interval("g", NOW + 60, 1.0), interval("g", NOW, None)))])
    await store.commit([AppendPerformance((interval("a", NOW, 2.0), interval("g", NOW, 3.0)))])
    assert await store.performance("c") == [
        interval("a", NOW, 2.0),
        interval("g", NOW, 3.0),
        interval("g", NOW + 60, 1),
    ]


async def test_what_is_kept_of_a_span_comes_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "PART", 2)
    monkeypatch.setattr(spans, "MOST_NAMES", 2)
    names = ["B-2", "a 1", "Ä", "b", "c"]
    powers = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w"), 1.0)
    kept = [
        PerformanceInterval(control_id=name, target_id=target, start=NOW + at, end=NOW + at + 10, **powers)
        for name in names
        for target in ("feeder-1", "d", "É", "e")
        for at in (0, 10, 20, 30)
    ]
    steps = [
        Outcome(control_id=name, kind=kind, at=NOW + 15 + kind, device_id=device)
        for name in names
        for device in ("d", "É", "e")
        for kind in (OutcomeKind.RECEIVED, OutcomeKind.STARTED)
    ]
    await store.commit([*(PutControl(control(name)) for name in names), AppendPerformance(tuple(kept))])
    await store.commit([AppendOutcome(one) for one in steps])

    async def read(**more: bool) -> list[tuple[str, str, int, float]]:
        parts = [part async for part in store.accounted(NOW + 15, NOW + 30, **more)]
        assert {part.control.id for part in parts} == set(names)
        began = sorted((p.control.id, one.device_id, one.received, one.started) for p in parts for one in p.began)
        assert began == sorted((name, device, NOW + 16, NOW + 17) for name in names for device in ("d", "É", "e"))
        return sorted((p.control.id, target, one.count, one.seconds) for p in parts for target, one in p.portions)

    # From 15 to 30 s: half of the second interval, and the third.
    whole = sorted((name, target, 2, 15.0) for name in names for target in ("feeder-1", "d", "É", "e"))
    assert await read() == whole
    assert await read(devices=False) == [one for one in whole if one[1] == "feeder-1"]
    assert await read(own=False) == [one for one in whole if one[1] != "feeder-1"]
    early = Reach(own=NOW + 20, devices=-math.inf)
    reached = {name: NOTHING if name == "b" else early if name == "Ä" else WHOLE for name in names}
    found = await read(reach=reached.__getitem__)
    assert found == sorted([*(one for one in whole if one[0] not in {"b", "Ä"}), ("Ä", "feeder-1", 1, 5.0)])
    of_series = [part.series async for part in store.accounted(NOW + 15, NOW + 30, series=lambda one: one.id == "c")]
    assert [(one.target_id, one.start - NOW) for some in of_series for one in some] == [
        ("feeder-1", 10.0),
        ("feeder-1", 20.0),
    ]


async def test_the_database_adds_up_as_the_domain_does(store: Store) -> None:
    chance = random.Random(7)

    def watts() -> float | None:
        return None if chance.random() < 0.2 else chance.uniform(-5e4, 5e4)

    def kept(name: str, target: str, at: int) -> PerformanceInterval:
        delivered = watts()
        return PerformanceInterval(
            control_id=name,
            target_id=target,
            start=NOW + 10 * at,
            end=NOW + 10 * at + chance.uniform(0.5, 10),
            requested_w=watts(),
            accepted_w=watts(),
            allocated_w=watts(),
            acknowledged_w=watts(),
            delivered_w=delivered,
            quality=chance.choice(list(Quality)),
            known=0.0 if delivered is None else chance.random(),
        )

    names, targets = ("c1", "c2"), ("feeder-1", "d", "e")
    lines = [kept(name, target, at) for name in names for target in targets for at in range(40)]
    lines += [replace(kept("c1", "f", 4), delivered_w=None, known=0.0)]
    await store.commit([*(PutControl(control(name)) for name in names), AppendPerformance(tuple(lines))])
    for start, end in ((NOW - 5, NOW + 999), (NOW + 23, NOW + 287.5), (NOW + 42, NOW + 43)):
        found = {}
        async for part in store.accounted(start, end):
            for target, portion in part.portions:
                found[part.control.id, target] = made = Summed(start, end)
                made.put(part.control.id, portion)
        wanted: dict[tuple[str, str], Summed] = {}
        for line in lines:
            if line.end > start and line.start < end:
                wanted.setdefault((line.control_id, line.target_id), Summed(start, end)).add(line)
        assert found.keys() == wanted.keys()
        for key, one in found.items():
            got, asked = asdict(one.totals()), asdict(wanted[key].totals())
            assert got == {
                name: pytest.approx(value) if type(value) is float else value for name, value in asked.items()
            }


async def test_deliveries_keep_their_whole_setpoint(store: Store) -> None:
    setpoint = Setpoint(
        device_id="d",
        issued=NOW,
        active_power_w=1.5,
        connect=False,
        passed={ControlMode.CURVE: ModeValue(0.0, "setMaxW", b"\x01")},
        valid_until=math.inf,
        control_ids=("c1", "c2"),
    )
    sent = Delivery(device_id="d", outcome=DeliveryOutcome.REJECTED, at=NOW, setpoint=setpoint, attempts=3, detail="x")
    await store.commit([AppendDeliveries((sent,))])
    assert await store.deliveries("d", start=NOW, end=NOW + 1) == [sent]


async def test_all_changes_of_one_commit_or_none(store: Store) -> None:
    wrong = replace(reading("d", NOW), source_time=None)  # type: ignore[arg-type]  # what a caller must not do
    with pytest.raises(LocalProtocolError):
        await store.commit([PutDocument("s", "k", b""), PutControl(control("c")), AppendReadings((wrong,))])
    assert await store.documents("s") == []
    assert await store.controls() == []


async def test_one_callers_wrong_rows_do_not_fail_the_others(store: Store) -> None:
    wrong = replace(reading("d", NOW), source_time=None)  # type: ignore[arg-type]  # what a caller must not do
    good = [store.commit([PutDocument("s", f"{i:02}", b"")]) for i in range(40)]
    calls = [*good[:20], store.commit([PutDocument("s", "wrong", b""), AppendReadings((wrong,))]), *good[20:]]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(r) for r in results if r is not None] == [LocalProtocolError]
    assert [document.key for document in await store.documents("s")] == [f"{i:02}" for i in range(40)]


async def test_concurrent_callers_share_transactions(store: Store) -> None:
    await asyncio.gather(*(store.commit([PutDocument("s", "k", str(i).encode())]) for i in range(200)))
    (document,) = await store.documents("s")
    assert document.version == 200
    assert document.body == b"199"
    transactions, calls = store.commits
    assert calls == 200
    assert transactions < 20


async def test_keys_that_no_database_keeps_are_refused_and_texts_are_mended(store: Store) -> None:
    for key in ("nul\0", "half \ud800"):
        with pytest.raises(LocalProtocolError):
            await store.commit([PutDocument("s", key, b"")])
    await store.commit([AppendOutcome(Outcome(control_id="c", kind=OutcomeKind.FAILED, at=NOW, reason="a\0b\udc00"))])
    assert [outcome.reason for outcome in await store.outcomes("c")] == ["a?b?"]


async def test_purge_goes_by_receipt_and_in_batches(store: Store) -> None:
    rows = tuple(reading("d", NOW + i) for i in range(250))
    decision = Decision(at=NOW, target=TARGET, signal="s", source=SOURCE, verdict="v", reason="r")
    await store.commit([AppendReadings(rows), AppendDecisions((decision, replace(decision, at=NOW + 200)))])
    none = dict.fromkeys(("readings", "decisions", "deliveries", "controls", "performance"), 0)
    assert await store.purge(NOW + 100, batch=30) == {**none, "readings": 100, "decisions": 1}
    assert await store.readings("d", start=0, end=math.inf) == list(rows[100:])
    assert await store.purge(NOW + 100, batch=30) == none


async def test_purge_takes_the_controls_of_fast_services_and_what_belongs_to_them(store: Store) -> None:
    """A new one of them comes every few seconds; the others are the record of what was asked."""
    fast = {"service_class": ServiceClass.REGULATION}

    def row(name: str) -> PerformanceInterval:
        watts = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w"), 1.0)
        return PerformanceInterval(
            control_id=name, target_id="g", start=NOW, end=NOW + 4, quality=Quality.GOOD, **watts
        )

    old = [control(f"old{n}", NOW - 1000, 4.0, **fast) for n in range(7)]
    told = 'said: "service_class":"regulation", service_classX'
    kept = [
        control("dispatched", NOW - 1000, 4.0, description=told),
        control("new", NOW - 1, 4.0, **fast),
        control("open", NOW - 1000, None, **fast),
    ]
    for one in (*old, *kept):
        step = Outcome(control_id=one.id, kind=OutcomeKind.STARTED, at=NOW)
        await store.commit([PutControl(one), AppendOutcome(step), AppendPerformance((row(one.id),))])
    assert (await store.purge(NOW - 100, batch=3))["controls"] == 7
    assert {one.id for one in await store.controls()} == {one.id for one in kept}
    for one in kept:
        assert await store.outcomes(one.id)
        assert await store.performance(one.id)
    for one in old:
        assert await store.outcomes(one.id) == []
        assert await store.performance(one.id) == []


async def test_what_was_committed_is_there_after_reopening(url: str) -> None:
    async with await Store.open(url) as store:
        await store.commit([PutControl(control("c")), PutDocument("s", "k", b"v")])
        assert store.trouble == ""
    async with await Store.open(url, create=False) as again:
        assert await again.controls() == [control("c")]
        await again.commit([PutDocument("s", "k", b"w")])
        assert await again.document("s", "k") == Document("s", "k", b"w", 2)


async def test_a_closed_store_says_so(url: str) -> None:
    store = await Store.open(url)
    await store.commit([])
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.commit([PutDocument("s", "k", b"")])
    with pytest.raises(StoreUnavailable):
        await store.documents("s")


async def test_a_caller_that_gave_up_fails_nobody(store: Store) -> None:
    tasks = [asyncio.create_task(store.commit([PutDocument("s", f"{i}", b"")])) for i in range(10)]
    await asyncio.sleep(0)
    tasks[4].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [i for i, r in enumerate(results) if r is not None] == [4]
    assert {document.key for document in await store.documents("s")} >= {str(i) for i in range(10) if i != 4}
