"""A peer without sockets: held answers, deadlines, flow control, takeover."""

from dataclasses import replace

import pytest

from gridiface.northbound.dnp3.settings import Deadlines, MasterEntry
from gridiface.northbound.dnp3.station import Station
from gridiface.northbound.dnp3.wire.journal import Journal
from gridiface.northbound.dnp3.wire.session import Session
from gridiface.protocols.dnp3.controls import AnalogOutput
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.master.tasks import command_objects

NOW = 1.7e9


class Hub:
    """The server's part: a clock that the test moves, and what was asked of it."""

    def __init__(self):
        self.at = NOW
        self.journal = Journal(100)
        self.commissions, self.heard_from = [], []

    def now(self):
        return self.at

    def commissioned(self, session, station, commission):
        self.commissions.append((session, station, commission))

    def heard(self, session):
        self.heard_from.append(session)

    def notices(self, station):
        while station.outstation.next_event() is not None:
            pass


class Wire:
    def __init__(self):
        self.written, self.dropped = [], []

    @property
    def frames(self):
        return FrameReader().feed(b"".join(self.written))


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def session(hub, wire, station):
    def make(one=None, masters=(1,), **deadlines):
        one = one or station(masters=[MasterEntry(name=f"m{number}", address=number) for number in (1, 2)])
        made = Session(
            hub,
            ("192.0.2.1", 40_000),
            [(one, masters)],
            Deadlines(**deadlines),
            write=wire.written.append,
            drop=lambda reason: (wire.dropped.append(reason), made.close()),
        )
        return made

    return make


def request(octets, master=1, sequence=0):
    return encode(Frame(0xC4, 10, master, bytes((0xC0, 0xC0 | sequence)) + octets))


READ = bytes.fromhex("01 3c 02 06")
OPERATE = b"\x05" + command_objects([(0, AnalogOutput(1.0))])


async def test_a_read_is_answered_in_one_write(session, wire):
    one = session()
    one.receive(request(READ))
    assert len(wire.written) == 1
    assert wire.frames[0].payload[2] == 0x81


async def test_an_answer_waits_for_its_commission(session, hub, wire):
    one = session()
    one.receive(request(OPERATE))
    assert wire.written == []
    one.receive(request(READ, sequence=1))
    assert wire.written == []  # order is kept
    ((_, station, commission),) = hub.commissions
    await station.handler.carry_out(commission, NOW)
    one.release()
    assert [frame.payload[1] & 0x0F for frame in wire.frames] == [0, 1]


async def test_what_was_held_is_lost_with_its_commission(session, wire):
    one = session()
    one.receive(request(OPERATE))
    one.fail("no store")
    assert wire.written == []
    assert wire.dropped == ["no store"]
    one.release()
    assert wire.written == []


async def test_a_closed_peer_takes_no_answer(session, hub, wire):
    one = session()
    one.receive(request(OPERATE))
    one.close()
    one.release()
    assert wire.written == []
    assert one.next_timer() is None


@pytest.mark.parametrize("octets", [b"", b"garbage", request(READ, master=9)])
async def test_who_sends_no_frame_of_a_master_is_dropped(session, hub, wire, octets):
    one = session()
    one.receive(octets)
    for at, dropped in ((29.9, []), (30.0, ["no frame of a configured master"])):
        hub.at = NOW + at
        one.handle_timer(hub.at)
        assert wire.dropped == dropped


async def test_a_silent_master_is_asked_and_then_dropped(session, hub, wire):
    one = session()
    one.receive(request(READ))
    wire.written.clear()
    for at, dropped in ((60, []), (66, ["it does not answer the link status request"])):
        hub.at = NOW + at
        one.handle_timer(hub.at)
        assert wire.dropped == dropped
    assert [frame.function for frame in wire.frames] == [9]


async def test_without_keep_alive_a_silent_master_is_dropped_after_the_idle_time(session, hub, wire, station):
    one = session(station(keep_alive_s=None))
    one.receive(request(READ))
    hub.at = NOW + 900
    one.handle_timer(hub.at)
    assert wire.dropped == ["silent too long"]


async def test_a_peer_that_takes_nothing_is_dropped(session, hub, wire):
    one = session(write=5.0)
    one.receive(request(READ))
    one.pause()
    one.pump(NOW)
    hub.at = NOW + 6
    one.handle_timer(hub.at)
    assert wire.dropped == ["it takes nothing"]


async def test_after_a_pause_it_goes_on(session, hub, wire):
    one = session()
    one.pause()
    one.receive(request(READ))
    assert wire.written == []
    one.resume()
    assert len(wire.frames) == 1


async def test_a_master_that_comes_again_displaces_its_old_peer(session, hub, station):
    shared = station()
    old, new = session(shared), session(shared)
    old.receive(request(READ))
    assert not old.displaced
    new.receive(request(READ))
    assert old.displaced
    assert not new.displaced
    assert hub.heard_from == [old, new]


async def test_the_journal_has_both_ways(session, hub):
    one = session()
    one.receive(request(READ))
    assert [item.received for item in hub.journal] == [True, False]


async def test_dismissal_is_by_reason(session, wire):
    one = session()
    one.dismiss("the server stops")
    one.dismiss("again")
    assert wire.dropped == ["the server stops"]


@pytest.mark.parametrize("fails", [None, 0, 1])
async def test_commands_of_one_request_that_are_durable_at_once_are_answered_once_and_together(
    session, hub, wire, fails
):
    """The answer leaves in the call that brought the request, after the last of them; not at all when one fails."""
    one, done = session(), []

    def at_once(owner, station, commission):
        assert not wire.written
        done.append(commission)
        owner.fail("the store is gone") if len(done) - 1 == fails else owner.release()

    hub.commissioned = at_once
    objects = command_objects([(0, AnalogOutput(1.0)), (1, AnalogOutput(2.0))])
    one.receive(request(b"\x05" + objects))
    assert len(done) == 2
    assert len(wire.written) == (1 if fails is None else 0)
    assert bool(wire.dropped) == (fails is not None)
    one.close()


async def test_what_two_outstations_are_asked_in_one_read_is_answered_by_both(hub, wire, station, station_settings):
    """A command to the one that is durable at once must not leave the answer of the other behind."""
    first = station(masters=[MasterEntry(name="m", address=1)])
    second = Station(
        replace(station_settings(masters=[MasterEntry(name="m", address=1)]), name="other", address=11),
        inbox=None, ledger=None, fleet=None, now=NOW,
    )  # fmt: skip
    hub.commissioned = lambda owner, station, commission: owner.release()
    one = Session(
        hub,
        ("192.0.2.1", 40_000),
        [(first, [1]), (second, [1])],
        Deadlines(),
        write=wire.written.append,
        drop=wire.dropped.append,
    )
    delay = encode(Frame(0xC4, 11, 1, bytes((0xC0, 0xC0, 0x17))))
    one.receive(request(OPERATE) + delay)
    assert sorted(frame.source for frame in wire.frames) == [10, 11]
    one.close()


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
async def test_deadlines_stay_as_far_away_when_the_clock_is_set(session, hub, wire, station, seconds):
    one = session(idle=60.0, first_frame=30.0, write=20.0)
    hub.at += 10
    one.pause()
    left = [due - hub.at for due in (one.began, one.heard_at, one.next_timer())]
    assert left[2] == 20
    hub.at += seconds
    for reached, _ in one.channels:
        reached.clock_set(seconds, hub.at)
    one.clock_set(seconds, hub.at)
    assert [due - hub.at for due in (one.began, one.heard_at, one.next_timer())] == left
    one.handle_timer(hub.at)
    assert not one.closed
    one.resume()
    one.handle_timer(hub.at + 20)
    assert wire.dropped == ["no frame of a configured master"]
    one.clock_set(seconds, hub.at)
    assert one.next_timer() is None
