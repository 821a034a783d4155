"""Our master against outstations that break the rules, in octets made by the tests alone (tests/dnp3_octets.py).

Whatever they do, nothing is raised, memory is bounded, the master does not ask without end, and what comes after works.
"""

from __future__ import annotations

import itertools
import struct
import tracemalloc
from collections.abc import Callable

import pytest
from tests.dnp3_octets import frame, segments, unframed

from gridiface.protocols.dnp3.controls import AnalogOutput
from gridiface.protocols.dnp3.master.master import MAX_EVENTS, MAX_RESPONSE_FRAGMENTS, Master
from gridiface.protocols.dnp3.master.settings import (
    EventsLost,
    Failure,
    MasterSettings,
    OutstationRestarted,
    PointsReceived,
    TaskDone,
    TimeSync,
)
from gridiface.protocols.dnp3.master.tasks import control, integrity_poll, restart

NOW = 1_700_000_000.0
RESTART, NEED_TIME, CLASS_1, OVERFLOW, PARAMETER = 0x0080, 0x0010, 0x0002, 0x0800, 0x0400
READ, WRITE, DIRECT_OPERATE = 1, 2, 5
QUIET = {"startup_disable": False, "startup_integrity": False, "enable_classes": (), "keep_alive": None}

Answer = Callable[[int, int, bytes], list[bytes]]
"""Fragments for a request: its sequence, function and objects."""


def response(sequence: int, iin: int = 0, objects: bytes = b"", control_bits: int = 0xC0, function: int = 129) -> bytes:
    return bytes([control_bits | sequence, function]) + struct.pack("<H", iin) + objects


class Rogue:
    """An outstation of octets with a master before it; `asked` are the requests, confirms are in `confirmed`."""

    def __init__(self, answer: Answer, **settings) -> None:
        self.now, self.answer, self.transport = NOW, answer, 0
        self.asked: list[tuple[float, int, bytes]] = []
        self.confirmed: list[int] = []
        self.events: list[object] = []
        self.master = Master(MasterSettings(1, 10, **{**QUIET, **settings}))
        self.master.connected(self.now)
        self.run()

    def say(self, fragment: bytes, *, hear: bool = True) -> None:
        parts = segments(fragment, self.transport)
        self.transport += len(parts)
        for part in parts:
            self.master.receive(frame(part, 0x44, 1, 10), self.now)
        if hear:
            self.run()

    def run(self, most: int = 2000) -> None:
        """Answer until the master is silent."""
        for _ in range(most):
            octets = self.master.to_send(self.now)
            self.events += iter(self.master.next_event, None)
            if not octets:
                return
            for _, to, source, user in unframed(octets):
                assert (to, source) == (10, 1)
                if not user:
                    continue
                sequence, function = user[1] & 0x0F, user[2]
                if function == 0:
                    self.confirmed.append(user[1])
                    continue
                self.asked.append((self.now, function, user[3:]))
                for fragment in self.answer(sequence, function, user[3:]):
                    self.say(fragment, hear=False)
        pytest.fail(f"the master asks without end: {[function for _, function, _ in self.asked[-8:]]}")

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.master.next_timer()) is not None and due <= end:
            self.now = max(due, self.now)
            self.master.handle_timer(self.now)
            self.run()
        self.now = end
        self.master.handle_timer(self.now)
        self.run()

    def done(self, name: str) -> list[Failure | None]:
        return [event.failure for event in self.events if isinstance(event, TaskDone) and event.name == name]

    def of(self, kind: type) -> list[object]:
        return [event for event in self.events if isinstance(event, kind)]


def good(iin: int = 0) -> Answer:
    return lambda sequence, function, objects: [response(sequence, iin)]


@pytest.mark.parametrize(
    ("iin", "settings", "remedy"),
    [
        (RESTART, {}, (WRITE, "50010007 0700")),
        (NEED_TIME, {"time_sync": TimeSync.DIRECT}, (WRITE, "3201 0701")),
        (OVERFLOW, {}, (READ, "3c0206 3c0306 3c0406 3c0106")),
        (CLASS_1, {"poll_on_events": True}, (READ, "3c0206")),
    ],
    ids=["restart", "need time", "overflow", "events"],
)
def test_an_indication_that_never_clears_is_not_asked_about_without_end(iin, settings, remedy):
    rogue = Rogue(good(iin), retry_delay=5.0, **settings)
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    rogue.wait(60)
    function, objects = remedy[0], bytes.fromhex(remedy[1])
    asked = [at for at, code, body in rogue.asked[1:] if code == function and body.startswith(objects)]
    assert 10 <= len(asked) <= 14, "at once, then every five seconds"
    assert min(later - earlier for earlier, later in itertools.pairwise(asked)) >= 5
    assert len(rogue.of(OutstationRestarted)) <= 1
    assert len(rogue.of(EventsLost)) <= 1


def test_a_storm_of_all_indications_leaves_room_for_commands():
    rogue = Rogue(
        good(0x3FFF & ~0x0700),
        startup_integrity=True,
        enable_classes=(1, 2, 3),
        time_sync=TimeSync.DIRECT,
        poll_on_events=True,
    )
    rogue.wait(60)
    assert len(rogue.asked) < 80
    rogue.answer = lambda sequence, function, objects: [response(sequence, 0x38FF, objects)]
    rogue.master.submit("command", control([(3, AnalogOutput(1.5))], select=False))
    rogue.run()
    assert rogue.done("command") == [None]


def test_an_indication_that_clears_and_comes_again_is_heeded_at_once():
    rogue = Rogue(good())
    for _ in range(3):
        rogue.answer = lambda sequence, function, objects: [response(sequence, RESTART if function == READ else 0)]
        rogue.master.submit("poll", integrity_poll())
        rogue.run()
    assert [function for _, function, _ in rogue.asked] == [READ, WRITE] * 3
    assert len(rogue.of(OutstationRestarted)) == 3


def test_events_that_keep_coming_are_polled_as_fast_as_they_come():
    left = 30

    def answer(sequence, function, objects):
        nonlocal left
        left -= 1
        event = bytes.fromhex("0201 1701 05 81")
        return [response(sequence, CLASS_1 if left > 0 else 0, event, 0xE0)]

    rogue = Rogue(answer, poll_on_events=True)
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    assert left == 0
    assert rogue.now == NOW


@pytest.mark.parametrize("shift", [1, 5, 15])
def test_answers_of_a_wrong_sequence_count_for_nothing(shift):
    rogue = Rogue(lambda sequence, function, objects: [response((sequence + shift) % 16, 0, b"", 0xE0)])
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    rogue.wait(6)
    assert rogue.done("poll") == [Failure.TIMEOUT]
    assert not rogue.confirmed
    rogue.answer = good()
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    assert rogue.done("poll") == [Failure.TIMEOUT, None]


def test_answers_to_nobody_are_neither_confirmed_nor_delivered():
    rogue = Rogue(good())
    for sequence in range(16):
        for bits in (0xC0, 0xE0, 0x80, 0x60, 0x20):
            rogue.say(response(sequence, 0, bytes.fromhex("0102 00 0000 81"), bits))
    assert not rogue.confirmed
    assert not rogue.of(PointsReceived)
    assert not rogue.asked


@pytest.mark.parametrize("objects", ["", "1e01 00 0000 01 05000000"])
def test_a_response_whose_end_never_comes_is_given_up(objects):
    """Fragments go on as they should, only FIN never comes: each is confirmed until the limit, then the poll fails."""
    rogue = Rogue(lambda sequence, function, body: [])
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    for number in range(MAX_RESPONSE_FRAGMENTS + 1):
        assert not rogue.done("poll")
        rogue.say(response(number % 16, 0, bytes.fromhex(objects), 0xA0 if not number else 0x20))
    assert rogue.done("poll") == [Failure.MALFORMED]
    rogue.answer = good()
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    assert rogue.done("poll")[-1] is None


def test_each_fragment_begins_anew_with_fir_and_the_poll_fails_in_time():
    rogue = Rogue(lambda sequence, function, body: [response(sequence, 0, b"", 0xA0)])
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    for number in range(50):
        rogue.say(response(number % 16, 0, b"", 0xA0))
        rogue.wait(0.2)
    assert rogue.done("poll") == [Failure.TIMEOUT]
    assert len(rogue.confirmed) == 1


def test_segments_that_never_end_take_no_memory():
    rogue = Rogue(good(), max_rx_fragment=2048)
    tracemalloc.start()
    for number in range(600):
        rogue.master.receive(frame(bytes([0x40 if not number else number % 64]) + bytes(249), 0x44, 1, 10), rogue.now)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 128 << 10, "150 kB came"
    rogue.transport = 7
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    assert rogue.done("poll") == [None]


def test_a_storm_of_reports_is_confirmed_and_what_nobody_fetches_is_bounded():
    rogue = Rogue(good())
    count = MAX_EVENTS + 2000
    for number in range(count):
        report = bytes([0xF0 | number % 16, 130, 0, 0]) + bytes.fromhex("2001 1701 05 01") + struct.pack("<i", number)
        for part in segments(report, number):
            rogue.master.receive(frame(part, 0x44, 1, 10), rogue.now)
        rogue.master.to_send(rogue.now)
    rogue.events += iter(rogue.master.next_event, None)
    assert len(rogue.of(PointsReceived)) == MAX_EVENTS, "the oldest were lost, nothing grew"
    rogue.transport = count
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    assert rogue.done("poll") == [None]


def test_a_report_repeated_is_confirmed_twice_and_told_once():
    rogue = Rogue(good())
    report = bytes([0xF3, 130, 0, 0]) + bytes.fromhex("2001 1701 05 01 07000000")
    rogue.say(report)
    rogue.say(report)
    assert rogue.confirmed == [0xD3, 0xD3]
    assert len(rogue.of(PointsReceived)) == 1


@pytest.mark.parametrize("bits", [0x70, 0xB0, 0xE0, 0x30])
def test_reports_that_are_no_whole_unsolicited_fragment_are_dropped(bits):
    rogue = Rogue(good())
    rogue.say(bytes([bits, 130, 0, 0]) + bytes.fromhex("2001 1701 05 01 07000000"))
    assert not rogue.confirmed
    assert not rogue.of(PointsReceived)


@pytest.mark.parametrize(
    "objects",
    [
        "1e",
        "1e05",
        "1e05 00 05 03",
        "1e01 00 0000 01 05",
        "ff01 00 0000 00",
        "1e01 33 00",
        "0a02 5b 01 ffff 00",
        "0201 1780",
    ],
)
def test_objects_that_do_not_parse_fail_the_poll_and_are_not_confirmed(objects):
    rogue = Rogue(lambda sequence, function, body: [response(sequence, 0, bytes.fromhex(objects), 0xE0)])
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    assert rogue.done("poll") == [Failure.MALFORMED]
    assert not rogue.confirmed, "its events come again"


@pytest.mark.parametrize(
    "echo",
    [
        "",
        "2903 1701 03 0000c03f",
        "2903 1701 04 0000c03f 00",
        "2903 1701 03 0000803f 00",
        "2903 1702 03 0000c03f 00 03 0000c03f 00",
        "2901 1701 03 01000000 00",
        "0c01 1701 03 03 01 00000000 00000000 00",
    ],
)
def test_an_echo_of_something_else_is_no_success(echo):
    rogue = Rogue(lambda sequence, function, body: [response(sequence, 0, bytes.fromhex(echo))])
    rogue.master.submit("command", control([(3, AnalogOutput(1.5))], select=False))
    rogue.run()
    (failure,) = rogue.done("command")
    assert failure is Failure.MALFORMED
    assert [function for _, function, _ in rogue.asked] == [DIRECT_OPERATE], "and it is sent once"


@pytest.mark.parametrize("delay", [0, 500, 65_535])
def test_a_delay_longer_than_the_way_there_and_back_moves_no_time_backwards(delay):
    def answer(sequence, function, objects):
        if function == 23:
            return [response(sequence, NEED_TIME, bytes.fromhex("3402 0701") + struct.pack("<H", delay))]
        return [response(sequence, 0 if function == WRITE else NEED_TIME)]

    rogue = Rogue(answer, time_sync=TimeSync.NON_LAN)
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    (written,) = [objects for _, function, objects in rogue.asked if function == WRITE]
    assert written[:4].hex() == "32010701"
    assert int.from_bytes(written[4:], "little") == round(NOW * 1000)
    assert rogue.done("time synchronisation") == [None]


@pytest.mark.parametrize(
    "objects", ["", "3402 0700", "3402 0701", "3403 0701 0000", "3402 06", "1e01 00 0000 01 05000000"]
)
def test_a_restart_without_its_delay_is_no_answer(objects):
    rogue = Rogue(lambda sequence, function, body: [response(sequence, 0, bytes.fromhex(objects))])
    rogue.master.submit("restart", restart())
    rogue.run()
    assert rogue.done("restart") == [Failure.MALFORMED]


def test_frames_of_others_and_of_another_direction_count_for_nothing():
    rogue = Rogue(lambda sequence, function, body: [])
    rogue.master.submit("poll", integrity_poll())
    rogue.run()
    user = bytes([0xC0]) + response(0)
    for control_octet, to, source in [(0xC4, 1, 10), (0x44, 2, 10), (0x44, 1, 11), (0x44, 0xFFFF, 10), (0x04, 1, 10)]:
        rogue.master.receive(frame(user, control_octet, to, source), rogue.now)
    rogue.run()
    assert not rogue.done("poll")
    rogue.master.receive(frame(user, 0x44, 1, 10), rogue.now)
    rogue.run()
    assert rogue.done("poll") == [None]
