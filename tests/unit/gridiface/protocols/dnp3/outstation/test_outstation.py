import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.application import FunctionCode, Qualifier
from gridiface.protocols.dnp3.link import Frame, encode
from gridiface.protocols.dnp3.objects import TABLE
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import TimeWritten
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.protocols.dnp3.transport import FragmentWriter

FUZZ_INPUTS = int(os.environ.get("GRIDIFACE_FUZZ", "1500"))
STATUS_REQUEST = encode(Frame(0xC9, 10, 1))


def test_masters_must_differ_and_there_must_be_one():
    database = Database([])
    for masters in ([], [AssociationSettings(1), AssociationSettings(1)]):
        with pytest.raises(LocalProtocolError):
            Outstation(OutstationSettings(10), masters, database)


def test_points_are_configured_anew_for_all_masters_at_once():
    kind = PointType.ANALOG_INPUT
    database = Database([PointConfig(kind, index, event_class=2) for index in (3, 4)])
    one = Outstation(OutstationSettings(10), [AssociationSettings(1), AssociationSettings(2)], database)
    before = database.columns[kind].runs()
    one.reconfigure([PointConfig(kind, 4, event_class=1, deadband=5.0, static_variation=1, event_variation=3)])
    assert [association.state.classes[kind] for association in one.associations.values()] == [[2, 1], [2, 1]]
    assert [run.variation for run in before] == [5]
    assert [run.variation for run in database.columns[kind].runs()] == [5, 1]
    database.update_many(0.0, kind, [0.0, 0.0])
    assert not database.update(0.0, kind, 4, 4.0)
    assert database.update(0.0, kind, 4, 5.5)
    assert database.update_many(0.0, kind, [0.0, 11.0]) == 1
    with pytest.raises(LocalProtocolError, match="no analog input 5"):
        one.reconfigure([PointConfig(kind, 5)])


def test_a_connection_carries_configured_masters_only(build):
    with pytest.raises(LocalProtocolError, match="master 9"):
        build().outstation.open(0.0, [9])


def test_a_new_connection_of_a_master_takes_over_with_its_first_frame(build, connect):
    peer = build(masters=(1, 2))
    assert peer.channel.carries(1)
    again = connect(peer.outstation)
    assert peer.channel.carries(1)  # it may be anyone yet
    assert again.one("c0 17")
    assert again.channel.carries(1)
    assert not peer.channel.carries(1)
    assert len(peer.outstation.channels) == 2
    peer.channel.close()
    assert again.one("c1 17")


def test_a_connection_that_says_nothing_takes_no_reports(build, connect):
    peer = build(unsolicited=UnsolicitedSettings())
    assert [one[1] for one in peer.pending()] == [0x82]
    other = connect(peer.outstation)
    assert other.pending() == []
    assert other.raw(bytes(300)) == b""
    peer.ask("d0 00")
    peer.one("c1 14 3c 02 06")
    peer.update(PointType.BINARY_INPUT, 0, 1)
    assert [one[1] for one in peer.pending()] == [0x82]
    assert other.pending() == []
    peer.channel.close()  # and then it is told what waits
    assert [one[1] for one in other.pending()] == [0x82]


def test_who_is_not_greeted_is_told_nothing_before_it_speaks(build, connect):
    peer = build(unsolicited=UnsolicitedSettings())
    peer.channel.close()
    other = connect(peer.outstation, greets=False)
    assert other.pending() == []
    assert [one[1] for one in other.ask("c0 17")] == [0x81, 0x82]


def test_a_connection_of_any_master_serves_each(build, connect):
    peer = build(masters=(1, 2), unsolicited=UnsolicitedSettings())
    peer.channel.close()
    shared = connect(peer.outstation, 1, masters=[1, 2])
    assert shared.pending() == []
    answers = shared.ask("c0 17")
    assert [answer[1] for answer in answers] == [0x81, 0x82]
    shared.master = 2
    shared._writer = type(shared._writer)(0xC4, 10, 2)
    assert [answer[1] for answer in shared.ask("c0 17")] == [0x81, 0x82]


def test_a_planned_freeze_is_made_without_a_connection(build):
    peer = build(now=1000.0)
    peer.update(PointType.COUNTER, 0, 5)
    peer.one("c0 0b 32 02 07 01 88 86 0f 00 00 00 00 00 00 00 14 00 06")
    assert peer.outstation.next_timer() is None
    peer.channel.close()
    due = peer.outstation.next_timer()
    assert due == 1017.48
    peer.outstation.handle_timer(due)
    assert peer.database.value(PointType.FROZEN_COUNTER, 0)[0] == 5


def test_notices_come_in_order(build):
    peer = build()
    peer.one("c0 55")
    peer.one("c1 02 50 01 00 07 07 00")
    names = [type(notice).__name__ for notice in (peer.outstation.next_event(), peer.outstation.next_event())]
    assert names == ["RequestRefused", "RestartCleared"]
    assert peer.outstation.next_event() is None


def _mutated(random_source, octets):
    octets = bytearray(octets)
    for _ in range(random_source.choice((0, 1, 1, 2, 5))):
        at = random_source.randrange(len(octets) + 1)
        what = random_source.randrange(4)
        if what == 0:
            octets[at:at] = bytes((random_source.randrange(256),))
        elif what == 1 and at < len(octets):
            octets[at] = random_source.randrange(256)
        elif what == 2 and at < len(octets):
            octets[at] ^= 1 << random_source.randrange(8)
        else:
            del octets[at : at + random_source.randrange(4)]
    return bytes(octets)


def _request(random_source):
    """A request that is right or nearly so, of every function and object there is."""
    parts = [bytes((0xC0 | random_source.randrange(16), random_source.choice([*FunctionCode, 99])))]
    keys = list(TABLE)
    for _ in range(random_source.randrange(4)):
        group, variation = random_source.choice(keys)
        if random_source.random() < 0.3:
            variation = 0
        qualifier = random_source.choice(list(Qualifier))
        row = TABLE.get((group, variation))
        width = {0: 2, 1: 4, 6: 0, 7: 1, 8: 2, 0x17: 1, 0x28: 2, 0x5B: 1}[qualifier]
        field = bytes(random_source.choice((0, 0, 1, 2, 12, 255)) for _ in range(width))
        body = random_source.randbytes(
            random_source.choice((0, row.size if row else 0, 1 + (row.size if row else 0), 20))
        )
        parts.append(bytes((group, variation, qualifier)) + field + body)
    return _mutated(random_source, b"".join(parts))


@pytest.mark.parametrize("kind", ["plain", "files", "authenticated"])
def test_59_a_seeded_fuzzer_finds_no_exception_no_growth_and_a_living_outstation(build, filed, secure, connect, kind):
    source = random.Random(20_130)
    if kind == "plain":
        peer = build(unsolicited=UnsolicitedSettings(), outstation={"self_address": True}, attributes={242: "1"})
        peer.handler.restart_seconds = 0.0
    else:
        joined = filed({"a": b"12"}) if kind == "files" else secure(max_errors=10**9)
        joined.disconnect() if joined.channel else None
        peer = connect(joined.outstation)
    for number in range(FUZZ_INPUTS // 3):
        octets = peer.frames_of(_request(source) or b"\0", source.choice((10, 10, 10, 0xFFFF, 0xFFFC, 0xFFFE)))
        if number % 3 == 0:
            octets = _mutated(source, octets)
        if number % 50 == 0:
            octets = source.randbytes(source.randrange(700))
        peer.channel.receive(octets, peer.now)
        peer.update(PointType.BINARY_INPUT, source.choice((0, 1, 2)), number & 1)
        peer.channel.to_send(peer.now)
        peer.now += source.choice((0.0, 0.01, 1.0, 20.0))
        peer.channel.handle_timer(peer.now)
        assert len(peer.channel._reader._held) <= 292
        assert len(peer.buffer) <= 30_000
        peer.channel._reader.clear()
        assert bytes.fromhex("0564050b") in peer.raw(STATUS_REQUEST)
    assert any(answer[1] in (0x81, 0x83) for answer in peer.fragments(peer.raw(peer.frames_of(b"\xc3\x17"))))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=6))
def test_59_any_request_octets_raise_nothing(build_once, requests):
    for function, body in requests:
        build_once.ask(bytes((0xC0, function)) + body)


@pytest.mark.parametrize(("datagrams", "kept"), [(True, True), (False, False)])
def test_datagrams_from_elsewhere_go_on_with_the_dialogue_and_a_new_connection_begins_one(datagrams, kept):
    """Clause 13.2.3: an association is a pair of addresses; a connection that ends takes its dialogue along."""
    outstation = Outstation(
        OutstationSettings(10), [AssociationSettings(1)], Database([PointConfig(PointType.BINARY_INPUT, 0)])
    )
    association, writer = outstation.associations[1], FragmentWriter(0xC4, 10, 1)
    write_time = bytes.fromhex("c3 02 32 01 07 01 00 00 00 00 00 00")
    answers = []
    for now in (0.0, 1.0):
        channel = outstation.open(now, datagrams=datagrams)
        channel.receive(writer.encode(write_time), now)
        answers.append(channel.to_send(now))
        assert channel.taken
        assert channel.carries(1)
    written = [notice for notice in iter(outstation.next_event, None) if isinstance(notice, TimeWritten)]
    assert all(answers)
    assert len(written) == (1 if kept else 2)
    outstation.channels[0].close()  # whose master is gone already
    assert association.attached


@pytest.mark.parametrize(("datagrams", "kept"), [(True, True), (False, False)])
def test_datagrams_from_elsewhere_go_on_with_the_link_too(datagrams, kept):
    """Frame count bits and half a fragment belong to a pair of addresses (clause 9.2.6), wherever it comes from."""
    outstation = Outstation(
        OutstationSettings(10),
        [AssociationSettings(1), AssociationSettings(2)],
        Database([PointConfig(PointType.COUNTER, 0)]),
    )
    before, after = (outstation.open(0.0, datagrams=datagrams) for _ in range(2))
    reset, status = (Frame(control, 10, 1) for control in (0xC0, 0xF2))
    halves = FragmentWriter(0xC4, 10, 1).encode(bytes.fromhex("c1 01") + bytes.fromhex("14 01 28 64 00") + bytes(300))
    first, second = halves[:292], halves[292:]
    before.receive(encode(reset), 0.0)
    before.receive(encode(Frame(0xC0, 10, 2)), 0.0)  # another master, who stays there
    before.to_send(0.0)
    before.receive(first, 0.0)
    after.receive(encode(status), 0.0)
    assert bool(after.to_send(0.0)) is kept, "the link was reset: a test of it is acknowledged"
    after.receive(second, 0.0)
    assert bool(after.to_send(0.0)) is kept, "and its fragment is whole"
    assert before.carries(2)
    before.receive(encode(Frame(0xF2, 10, 2)), 0.0)
    assert before.to_send(0.0)


@pytest.mark.parametrize(("gap", "pause", "answered"), [(1.0, 1.1, True), (1.0, 0.9, False), (None, 60.0, False)])
def test_half_a_frame_is_given_up_after_a_pause_where_octets_may_be_lost(gap, pause, answered):
    outstation = Outstation(OutstationSettings(10), [AssociationSettings(1)], Database([]))
    channel = outstation.open(0.0, frame_gap=gap)
    lost = encode(Frame(0xC4, 10, 1, bytes(200)))[:20]
    channel.receive(lost, 10.0)
    channel.receive(encode(Frame(0xC9, 10, 1)), 10.0 + pause)
    assert bool(channel.to_send(10.0 + pause)) is answered
    channel.receive(encode(Frame(0xC9, 10, 1)), 12.5 + pause)
    assert bool(channel.to_send(12.5 + pause)) is (gap is not None)


@pytest.fixture(scope="module")
def build_once():
    outstation = Outstation(
        OutstationSettings(10),
        [AssociationSettings(1)],
        Database([PointConfig(PointType.ANALOG_INPUT, index, event_class=1) for index in range(20)]),
    )

    class Asking:
        channel = outstation.open(0.0)
        writer = FragmentWriter(0xC4, 10, 1)

        def ask(self, octets):
            self.channel.receive(self.writer.encode(octets), 0.0)
            return self.channel.to_send(0.0)

    return Asking()
