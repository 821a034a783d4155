"""Time and counters of the outstation core in octets of the tests' own (tests/dnp3_octets.py).

Rollover, freezes at a time and at an interval, and both ways to set the time, worked out from IEEE 1815-2012.
"""

from __future__ import annotations

import struct

import pytest
from tests.dnp3_octets import confirm
from tests.dnp3_session import AI, CLASS_123, CT, NOW, Peer, points

from gridiface.protocols.dnp3.points import PointType

FC = PointType.FROZEN_COUNTER
NO_FUNCTION, UNKNOWN, PARAMETER, NEED_TIME = 0x0100, 0x0200, 0x0400, 0x0010
ERRORS = NO_FUNCTION | UNKNOWN | PARAMETER


def time48(seconds: float) -> str:
    return struct.pack("<Q", round(seconds * 1000))[:6].hex(" ")


@pytest.mark.parametrize(
    ("value", "wide", "narrow"),
    [
        (65_535, "ff ff 00 00", "ff ff"),
        (65_536, "00 00 01 00", "00 00"),
        (4_294_967_295, "ff ff ff ff", "ff ff"),
        (4_294_967_296 + 70_000, "70 11 01 00", "70 11"),
    ],
)
def test_counters_roll_over_in_each_width(value, wide, narrow):
    peer = Peer([*points(CT, 1, event_class=1), *points(FC, 1)])
    peer.database.update(peer.now, CT, 0, value)
    assert peer.one(1, 1, "14 01 06") == f"14 01 00 00 00 01 {wide}"
    assert peer.one(2, 1, "14 02 06") == f"14 02 00 00 00 01 {narrow}"
    assert peer.one(3, 1, "14 05 06") == f"14 05 00 00 00 {wide}"
    assert peer.one(4, 1, "14 06 06") == f"14 06 00 00 00 {narrow}"
    assert peer.one(5, 1, "16 02 07 01") == f"16 02 17 01 00 01 {narrow}"
    peer.send(confirm(5))
    assert peer.one(6, 7, "14 00 06") == ""
    assert peer.one(7, 1, "15 02 06") == f"15 02 00 00 00 01 {narrow}"


def test_a_freeze_at_a_time_again_and_again_at_its_interval():
    """FREEZE_AT_TIME (4.4.5): at the time, then each interval; the events carry the time of the freeze."""
    peer = Peer([*points(CT, 2), *points(FC, 2, event_class=2)])
    first, interval = NOW + 10, 20
    plan = f"32 02 07 01 {time48(first)} {struct.pack('<I', interval * 1000).hex(' ')} 14 00 00 01 01"
    assert not peer.indications(1, 11, plan) & ERRORS
    for number in range(3):
        peer.database.update(peer.now, CT, 0, 5 + number)
        peer.database.update(peer.now, CT, 1, 7 + number)
        peer.wait(first + number * interval - peer.now - 0.5)
        assert peer.one(2, 1, CLASS_123) == ""
        peer.wait(0.5)
        stamp = time48(first + number * interval)
        assert peer.one(3, 1, CLASS_123) == f"17 05 17 01 01 01 {struct.pack('<I', 7 + number).hex(' ')} {stamp}"
        peer.send(confirm(3))
    assert peer.one(4, 1, "15 01 06").startswith("15 01 00 00 01 02 00 00 00 00 01 09"), "the other was not named"


def test_a_plan_of_freezes_ends_with_a_restart():
    peer = Peer([*points(CT, 1), *points(FC, 1, event_class=2)])
    peer.handler.restart = lambda kind, master, now: 0.0
    assert not peer.indications(1, 11, f"32 02 07 01 {time48(NOW + 5)} 00 00 00 00 14 00 06") & ERRORS
    assert peer.one(2, 13).startswith("34 02 07 01")
    peer.wait(10)
    assert peer.one(3, 1, CLASS_123) == ""


def test_time_over_a_line_with_its_delay_measured():
    peer = Peer(points(AI, 1), need_time=True)
    assert peer.indications(1, 1, "3c 02 06") & NEED_TIME
    assert peer.one(2, 23) == "34 02 07 01 00 00"
    assert not peer.indications(3, 2, f"32 01 07 01 {time48(NOW + 3600)}") & (ERRORS | NEED_TIME)
    peer.now += 2.5
    assert peer.one(4, 1, "32 01 07 01") == f"32 01 07 01 {time48(NOW + 3602.5)}"


@pytest.mark.parametrize("between", [None, "read", "again"])
def test_time_over_a_network_by_what_was_recorded(between):
    """RECORD_CURRENT_TIME, then its time: only as the very next request; sent again, the last sending counts."""
    peer = Peer(points(AI, 1), need_time=True)
    assert peer.one(1, 24) == ""
    sent = peer.now
    peer.now += 1
    if between == "read":
        peer.ask(2, 1, "3c 02 06")
    elif between == "again":
        assert peer.one(1, 24) == ""
        sent = peer.now
    peer.now += 1.5
    told = peer.indications(3, 2, f"32 03 07 01 {time48(2e9)}")
    if between == "read":
        assert told & PARAMETER
        assert told & NEED_TIME
        return
    assert not told & (ERRORS | NEED_TIME)
    assert peer.one(4, 1, "32 01 07 01") == f"32 01 07 01 {time48(2e9 + peer.now - sent)}"
    assert peer.indications(5, 2, f"32 03 07 01 {time48(2e9)}") & PARAMETER, "what was recorded is used up"


@pytest.mark.parametrize(
    ("objects", "function"),
    [
        ("32 01 07 02" + " 00" * 12, 2),
        ("32 01 07 00", 2),
        ("32 01 06", 2),
        ("32 01 00 00 00" + " 00" * 6, 2),
        ("32 01 07 01 00", 2),
        ("14 00 06", 11),
        ("32 02 07 01" + " 00" * 10, 11),
        ("", 11),
        ("3c 02 06", 23),
        ("3c 02 06", 24),
    ],
)
def test_times_that_say_nothing_are_parameter_errors(objects, function):
    peer = Peer([*points(CT, 1), *points(FC, 1)], need_time=True)
    assert peer.indications(1, function, objects) & (ERRORS | NEED_TIME) == PARAMETER | NEED_TIME
