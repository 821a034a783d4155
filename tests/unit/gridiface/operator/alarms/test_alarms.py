"""Alarms: raised, acknowledged, cleared, durable, told of; over the book itself and over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gridiface.errors import StoreUnavailable
from gridiface.operator.alarms.alarms import FLAPPING_S, KEPT_S, Alarm, AlarmBook
from gridiface.operator.alarms.kinds import KINDS, SEVERITIES, alarms_page


class Book:
    """A book with what it told."""

    def __init__(self, records: Any) -> None:
        self.told: list[tuple[str, str]] = []
        self.book = AlarmBook(records, [lambda alarm: self.told.append((alarm.subject, alarm.state))])


@pytest.fixture
def kept(house: Any) -> Book:
    return Book(house.records)


def states(book: AlarmBook) -> dict[str, str]:
    return {alarm.subject: alarm.state for alarm in book.alarms()}


def test_raised_while_it_is_so_and_cleared_after(kept: Book) -> None:
    book = kept.book
    book.observe("breaker_open", {"a": "failed", "b": "failed"}, 100.0)
    book.observe("breaker_open", {"b": "failed"}, 101.0)
    assert states(book) == {"a": "cleared", "b": "raised"}
    assert kept.told == [("a", "raised"), ("b", "raised"), ("a", "cleared")]
    assert [alarm.subject for alarm in book.standing()] == ["b"]


def test_what_is_short_raises_nothing(kept: Book) -> None:
    book, after = kept.book, KINDS["device_lost"].after_s
    book.observe("device_lost", {"a": "stale"}, 100.0)
    book.observe("device_lost", {}, 105.0)
    book.observe("device_lost", {"a": "stale"}, 106.0)
    book.observe("device_lost", {"a": "stale"}, 106.0 + after - 1)
    assert not kept.told
    book.observe("device_lost", {"a": "stale"}, 106.0 + after)
    assert kept.told == [("a", "raised")]


def test_flapping_is_one_alarm_that_counts(kept: Book) -> None:
    book = kept.book
    for turn in range(3):
        book.observe("breaker_open", {"a": "failed"}, 100.0 + 20 * turn)
        book.observe("breaker_open", {}, 110.0 + 20 * turn)
    (alarm,) = book.alarms()
    assert alarm.count == 3
    book.observe("breaker_open", {"a": "failed"}, 200.0 + FLAPPING_S)
    assert len(book.alarms()) == 2


async def test_acknowledged_is_told_from_raised_and_a_return_needs_a_new_look(kept: Book) -> None:
    book = kept.book
    book.observe("breaker_open", {"a": "failed"}, 100.0)
    (alarm,) = book.alarms()
    done = await book.acknowledge(alarm.id, 101.0, by="ann", note="on the way")
    assert done is not None
    assert (done.state, done.by, done.note) == ("acknowledged", "ann", "on the way")
    book.observe("breaker_open", {}, 102.0)
    book.observe("breaker_open", {"a": "failed"}, 103.0)
    assert states(book) == {"a": "raised"}
    assert await book.acknowledge("unknown", 1.0, by="ann", note="") is None


async def test_latched_stands_until_somebody_has_seen_it(kept: Book) -> None:
    book = kept.book
    book.observe("clock_jump", {"clock": "by +3600 s"}, 100.0)
    book.observe("clock_jump", {}, 101.0)
    book.observe("clock_jump", {"clock": "by -3600 s"}, 102.0)
    (alarm,) = book.alarms()
    assert (alarm.state, alarm.text, alarm.count) == ("raised", "by -3600 s", 2)
    done = await book.acknowledge(alarm.id, 103.0, by="ann", note="")
    assert done is not None
    assert done.state == "cleared"
    book.observe("clock_jump", {"clock": "again"}, 104.0)
    assert len(book.alarms()) == 2


async def test_alarms_outlive_a_restart_and_a_store_that_is_down(house: Any, kept: Book) -> None:
    book = kept.book
    house.records.down = True
    book.observe("store_trouble", {"store": "full"}, 100.0)
    book.observe("store_trouble", {"store": "full"}, 110.0)
    with pytest.raises(StoreUnavailable):
        await book.flush()
    assert states(book) == {"store": "raised"}
    house.records.down = False
    await book.flush()
    again = AlarmBook(house.records)
    await again.load(120.0)
    assert states(again) == {"store": "raised"}
    again.observe("store_trouble", {}, 121.0)
    await again.flush()
    late = AlarmBook(house.records)
    await late.load(122.0 + KEPT_S)
    assert late.alarms() == []
    assert not [key for key in house.records.kept if key[0] == "operator/alarm"]


def test_every_kind_is_explained() -> None:
    page = alarms_page()
    for name, kind in KINDS.items():
        assert f"`{name}`" in page
        assert kind.severity in SEVERITIES
        assert kind.meaning
        assert kind.fix


async def test_over_http(house: Any) -> None:
    book = house.desk.alarms
    for name in ("a", "b", "c"):
        house.clock.at += 1
        book.observe("breaker_open", dict.fromkeys(("a", "b", "c")[: "abc".index(name) + 1], "failed"), house.clock.at)
    book.observe("store_trouble", {"store": "full"}, house.clock.at)
    book.observe("store_trouble", {"store": "full"}, house.clock.at + 5)

    def get(path: str) -> Any:
        return house.ask("GET", f"/api/v1/alarms{path}")

    pages, after = [], ""
    while after is not None:
        body = (await get(f"?limit=2&after={after}"))[1]
        pages += [row["subject"] for row in body["alarms"]]
        after = body["next"]
    assert sorted(pages) == ["a", "b", "c", "store"]
    assert (await get("?severity=critical"))[1]["alarms"][0]["kind"] == "store_trouble"
    (row,) = (await get("?kind=breaker_open&subject=b"))[1]["alarms"]
    status, done, _ = await house.ask(
        "POST", f"/api/v1/alarms/{row['id']}/acknowledge", scope="control", json={"reason": "seen"}
    )
    assert (status, done["state"], done["by"], done["note"]) == (200, "acknowledged", "controler", "seen")
    assert (await get("?state=acknowledged"))[1]["total"] == 1
    assert (await get("?after=unknown"))[0] == 400
    assert (await get("/unknown"))[0] == 404
    assert (await get(f"/{row['id']}"))[1]["state"] == "acknowledged"
    text = (await house.ask("GET", "/metrics"))[1]
    assert 'gridiface_alarms{severity="warning",acknowledged="true"} 1' in text
    assert 'gridiface_alarms{severity="critical",acknowledged="false"} 1' in text
    entries = (await house.ask("GET", "/api/v1/audit?what=alarm.", scope="audit"))[1]["entries"]
    assert (entries[0]["before"], entries[0]["after"]) == ({"state": "raised"}, {"state": "acknowledged"})
    assert {k["kind"] for k in (await get("/kinds"))[1]["kinds"]} == set(KINDS)
    said = await house.ask("POST", "/api/v1/alarms/test", scope="configure", json={})
    assert said[1] == {"targets": 0, "waiting": 0, "failing": {}}


async def test_tenants_see_what_concerns_their_devices(house: Any) -> None:
    house.desk.status.fleet.members = lambda group: ["a"] if group == "feeder" else ["a", "b"]
    book = house.desk.alarms
    book.observe("breaker_open", {"a": "failed", "b": "failed"}, 100.0)
    book.observe("certificate_expired", {"c.pem": "ended"}, 100.0)
    asked = {"name": "tenant", "scopes": ["control"], "groups": ["feeder"]}
    token = (await house.ask("POST", "/api/v1/tokens", scope="admin", json=asked))[1]["token"]
    rows = (await house.ask("GET", "/api/v1/alarms", token=token))[1]["alarms"]
    assert [row["subject"] for row in rows] == ["a"]
    other = next(alarm.id for alarm in book.alarms() if alarm.subject == "b")
    path = f"/api/v1/alarms/{other}"
    assert (await house.ask("GET", path, token=token))[0] == 404
    assert (await house.ask("POST", f"{path}/acknowledge", token=token, json={}))[0] == 404


async def test_the_event_stream_tells_of_them(house: Any) -> None:
    house.desk.alarms.observe("breaker_open", {"a": "failed"}, 100.0)
    events, _, _ = house.desk.events.read(1)
    text = events[-1].text("run")
    assert "event: alarm\n" in text
    assert json.loads(text.split("data: ")[1])["subject"] == "a"
    assert isinstance(house.desk.alarms.alarms()[0], Alarm)
