"""Paging and order, query by query and key by key."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.lists import LIST_ORDERS, ListQuery, natural, ordered, page, parse_query
from gridiface.protocols.sep2.resources import (
    ELEMENTS,
    DateTimeInterval,
    DERControl,
    DERControlList,
    DERProgram,
    EndDevice,
    LogEvent,
    Response,
)
from gridiface.protocols.xmlwire.samples import sample


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        ("", ListQuery(0, 1, None)),
        ("s=0", ListQuery(0, 1, None)),
        ("s=2&l=5", ListQuery(2, 5, None)),
        ("l=0", ListQuery(0, 0, None)),
        ("l=1000", ListQuery(0, 1000, None)),
        ("s=1&l=1&s=2", ListQuery(1, 1, None)),
        ("l=0&l=2", ListQuery(0, 0, None)),
        ("a=5&a=6&l=9", ListQuery(0, 9, 5)),
        ("l=1&b=2", ListQuery(0, 1, None)),
        ("a=-5", ListQuery(0, 1, -5)),
        ("%6c=3&&=&x", ListQuery(0, 3, None)),
        ("l=3&l=nonsense", ListQuery(0, 3, None)),
    ],
)
def test_queries(raw: str, query: ListQuery) -> None:
    assert parse_query(raw) == query


@pytest.mark.parametrize("raw", ["s=-1", "l=-1", "s=x", "l=", "a=1.5", "l=1e3", "s=%31x", "l=" + "9" * 21, "s=--1"])
def test_bad_queries_are_refused(raw: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_query(raw)
    assert caught.value.answer == 400


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_query_raises_nothing_but_a_remote_error(raw: str) -> None:
    try:
        query = parse_query(raw)
    except RemoteProtocolError:
        return
    assert query.start >= 0
    assert query.limit >= 0


ITEMS = [10, 20, 30, 40]


@pytest.mark.parametrize(
    ("query", "items"),
    [
        (ListQuery(), [10]),
        (ListQuery(limit=0), []),
        (ListQuery(limit=1000), ITEMS),
        (ListQuery(start=1, limit=2), [20, 30]),
        (ListQuery(start=4, limit=2), []),
        (ListQuery(start=99, limit=2), []),
        (ListQuery(limit=9, after=20), [30, 40]),
        (ListQuery(limit=9, after=40), []),
        (ListQuery(start=1, limit=9, after=10), [30, 40]),
        (ListQuery(limit=9, after=-1), ITEMS),
    ],
)
def test_pages(query: ListQuery, items: list[int]) -> None:
    answer = page(ITEMS, query, key_time=lambda item: item)
    assert (answer.all, list(answer.items), answer.results) == (4, items, len(items))


def test_lists_without_time_ignore_a() -> None:
    assert list(page(ITEMS, ListQuery(limit=9, after=99)).items) == ITEMS


def test_members_without_time_are_not_after_anything() -> None:
    assert list(page(ITEMS, ListQuery(limit=9, after=0), key_time=lambda _: None).items) == []


def test_the_server_may_answer_with_fewer() -> None:
    assert list(page(ITEMS, ListQuery(limit=1000), most=3).items) == [10, 20, 30]


def shuffled(items: list[Any]) -> list[Any]:
    mixed = list(items)
    Random(1).shuffle(mixed)
    return mixed


def control(start: int, created: int, mrid: str) -> DERControl:
    made = sample(DERControl, Random(0), optionals=0)
    return replace(made, interval=DateTimeInterval(duration=1, start=start), creationTime=created, mRID=mrid)


def test_controls_go_by_start_then_newest_then_greatest_mrid() -> None:
    right = [
        control(1, 5, "01"),
        control(2, 9, "01"),
        control(2, 8, "FF"),
        control(2, 8, "0100"[2:]),
        control(3, 1, "02"),
    ]
    assert ordered("DERControlList", shuffled(right)) == right


def test_programs_go_by_primacy_then_greatest_mrid() -> None:
    right = [
        DERProgram(mRID="01", primacy=1),
        DERProgram(mRID="FFFF", primacy=2),
        DERProgram(mRID="0A", primacy=2),
        DERProgram(mRID="FF", primacy=3),
    ]
    assert ordered("DERProgramList", shuffled(right)) == right


def test_end_devices_go_by_latest_change_then_sfdi() -> None:
    right = [EndDevice(sFDI=5, changedTime=9), EndDevice(sFDI=1, changedTime=8), EndDevice(sFDI=2, changedTime=8)]
    assert ordered("EndDeviceList", shuffled(right)) == right


def test_log_events_are_newest_first() -> None:
    event = sample(LogEvent, Random(0))
    right = [replace(event, createdDateTime=9, logEventID=1), replace(event, createdDateTime=8, logEventID=2)]
    assert ordered("LogEventList", shuffled(right)) == right


def test_responses_go_by_newest_then_lfdi() -> None:
    right = [
        Response(endDeviceLFDI="02", subject="01", createdDateTime=5),
        Response(endDeviceLFDI="01", subject="01", createdDateTime=4),
        Response(endDeviceLFDI="0A", subject="01", createdDateTime=4),
        Response(endDeviceLFDI="01", subject="01"),
    ]
    assert ordered("ResponseList", shuffled(right)) == right


def test_paths_count_numbers_by_value() -> None:
    assert sorted(["/der/10", "/der/9", "/der/x", "/der"], key=natural) == ["/der", "/der/9", "/der/10", "/der/x"]


@pytest.mark.parametrize("name", sorted(LIST_ORDERS))
def test_every_order_sorts_any_members_and_knows_their_times(name: str) -> None:
    kind = ELEMENTS[name.removesuffix("List")]
    for optionals in (0.0, 0.5, 1.0):
        members = [sample(kind, Random(f"{name}{n}"), optionals=optionals) for n in range(8)]
        keys = [LIST_ORDERS[name].key(member) for member in ordered(name, members)]
        assert keys == sorted(keys)
        assert keys == [LIST_ORDERS[name].key(member) for member in ordered(name, members[::-1])]
        time = LIST_ORDERS[name].time
        if time is not None:
            assert all(time(member) is None or isinstance(time(member), int) for member in members)


def test_every_list_type_that_has_members_has_an_order() -> None:
    named = {
        name for name, cls in ELEMENTS.items() if name.endswith("List") and name not in {"List", "SubscribableList"}
    }
    assert named == set(LIST_ORDERS)
    assert DERControlList.__name__ in named
