import random

import pytest

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.master import tasks
from gridiface.protocols.dnp3.master.master import Master
from gridiface.protocols.dnp3.master.settings import (
    EventsLost,
    Failure,
    MasterSettings,
    OutstationLost,
    OutstationRestarted,
    PointsReceived,
    TaskDone,
    TimeSync,
)
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.protocols.dnp3.transport import FragmentWriter

AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT


def names(events):
    return [event.name for event in events if isinstance(event, TaskDone)]


def measurements(events):
    return [
        item
        for event in events
        if isinstance(event, PointsReceived)
        for block in event.blocks
        for item in block.measurements()
    ]


@pytest.fixture
def wire(build, join):
    def make(points=None, master=None, **settings):
        peer = build(points, **settings)
        peer.channel.close()
        joined = join(Master(MasterSettings(1, 10, **(master or {}))), peer.outstation)
        joined.peer = peer
        return joined

    return make


def test_a_connection_begins_with_the_start_up_sequence(wire):
    joined = wire(unsolicited=UnsolicitedSettings())
    events = joined.connect()
    assert names(events) == ["disable unsolicited", "integrity poll", "enable unsolicited", "clear restart"]
    assert all(event.failure is None for event in events if isinstance(event, TaskDone))
    assert len([event for event in events if isinstance(event, OutstationRestarted)]) == 1
    assert len(measurements(events)) == 80
    state = joined.outstation.associations[1].state
    assert state.enabled == {1, 2, 3}
    assert not state.restarted


def test_unsolicited_reports_are_confirmed_and_delivered_once(wire):
    joined = wire(unsolicited=UnsolicitedSettings())
    joined.connect()
    joined.outstation.database.update(joined.now, BI, 3, 1, time=77)
    (item,) = measurements(joined.run())
    assert (item.type, item.point, item.value, item.time) == (BI, 3, 1.0, 77)
    assert len(joined.outstation.associations[1].state.buffer) == 0
    report = joined.to_master[-1]
    joined.master.receive(report, joined.now)
    assert joined.fetch() == []
    assert joined.master.to_send(joined.now) != b""


def test_a_long_response_is_taken_fragment_by_fragment(wire):
    joined = wire([PointConfig(AI, index, event_class=2) for index in range(1000)])
    events = joined.connect()
    assert [item.point for item in measurements(events)] == list(range(1000))


def test_controls(wire):
    joined = wire()
    joined.connect()
    for select in (True, False):
        commands = [(1, ControlRelayOutputBlock(3)), (3, AnalogOutput(7.5)), (99, AnalogOutput(1, 1))]
        done = joined.do("control", tasks.control(commands[:2], select=select))
        assert [item.status for item in done.outcomes] == [CommandStatus.SUCCESS] * 2
        done = joined.do("control", tasks.control(commands, select=select))
        assert done.outcomes[2].status is CommandStatus.NOT_SUPPORTED
    assert len(joined.peer.handler.operated) == 6
    assert joined.do("control", tasks.command_without_reply([(1, ControlRelayOutputBlock(4))])).failure is None
    assert joined.outstation.database.value(PointType.BINARY_OUTPUT, 1)[0] == 0


def test_a_control_goes_before_polls(wire):
    joined = wire()
    joined.connect()
    for classes in ((1,), (2,), (3,)):
        joined.master.submit(f"poll {classes}", tasks.class_poll(classes), urgent=False)
    joined.master.submit("control", tasks.control([(1, AnalogOutput(1.0))], select=False))
    assert names(joined.run())[:2] == ["control", "poll (1,)"]


@pytest.mark.parametrize("how", [TimeSync.LAN, TimeSync.NON_LAN, TimeSync.DIRECT])
def test_time_is_set_when_it_is_needed(wire, how):
    joined = wire(master={"time_sync": how}, need_time=True)
    assert "time synchronisation" in names(joined.connect())
    state = joined.outstation.associations[1].state
    assert not state.needs_time(joined.now)
    assert state.clock_offset_ms == 0


def test_a_restart_runs_the_start_up_sequence_again(wire):
    joined = wire(unsolicited=UnsolicitedSettings())
    joined.connect()
    joined.peer.handler.restart_seconds = 1.0
    joined.master.submit("restart", tasks.restart())
    done = names(joined.run())
    assert done[0] == "restart"
    assert set(done[1:]) >= {"clear restart", "integrity poll", "enable unsolicited"}
    assert joined.outstation.associations[1].state.enabled == {1, 2, 3}


def test_lost_events_are_made_up_for_by_an_integrity_poll(wire):
    joined = wire(event_capacity=2, master={"enable_classes": ()})
    joined.connect()
    for value in (1, 0, 1, 0):
        joined.outstation.database.update(joined.now, BI, 0, value)
    joined.master.submit("delay", tasks.simple(tasks.FunctionCode.DELAY_MEASURE))
    events = joined.run()
    assert any(isinstance(event, EventsLost) for event in events)
    assert names(events)[:2] == ["delay", "integrity poll"]
    assert len(measurements(events)) > 80


def test_events_are_polled_when_indications_tell_of_them(wire):
    joined = wire(master={"poll_on_events": True, "enable_classes": ()})
    joined.connect()
    joined.outstation.database.update(joined.now, BI, 0, 1)
    joined.master.submit("delay", tasks.simple(tasks.FunctionCode.DELAY_MEASURE))
    assert names(joined.run()) == ["delay", "event poll"]


def test_polls_come_again(wire):
    joined = wire()
    joined.connect()
    joined.master.add_poll((1, 2, 3), 4.0, joined.now)
    assert joined.advance(3.9) == []
    assert names(joined.advance(0.1)) == ["poll (1, 2, 3)"]
    assert joined.master.next_timer() == joined.now + 4
    assert names(joined.advance(4)) == ["poll (1, 2, 3)"]


def test_a_missing_response_fails_the_task_and_start_up_is_tried_again(wire):
    joined = wire()
    joined.master.connected(joined.now)
    joined.master.to_send(joined.now)
    joined.now += 5
    joined.master.handle_timer(joined.now)
    (done,) = joined.fetch()
    assert (done.name, done.failure) == ("disable unsolicited", Failure.TIMEOUT)
    joined.channel = joined.outstation.open(joined.now)
    assert names(joined.run()) == ["integrity poll", "enable unsolicited", "clear restart"]
    assert names(joined.advance(5))[0] == "disable unsolicited"


def test_a_lost_connection_fails_what_was_asked(wire):
    joined = wire()
    joined.connect()
    joined.master.submit("one", tasks.integrity_poll())
    joined.master.submit("two", tasks.integrity_poll())
    assert [event.failure for event in joined.disconnect()] == [Failure.DISCONNECTED] * 2
    with pytest.raises(LocalProtocolError):
        joined.master.submit("three", tasks.integrity_poll())
    assert joined.master.next_timer() is None


def test_a_response_that_does_not_parse_fails_the_task(wire):
    joined = wire(master={"enable_classes": (), "startup_integrity": False})
    joined.connect()
    joined.master.submit("delay", tasks.simple(tasks.FunctionCode.DELAY_MEASURE))
    request = FrameReader().feed(joined.master.to_send(joined.now))[0].payload
    wrong = bytes((0xC0 | request[1] & 15, 0x81, 0, 0, 30, 5, 0, 5, 1))
    joined.master.receive(FragmentWriter(0x44, 1, 10).encode(wrong), joined.now)
    assert [event.failure for event in joined.fetch()] == [Failure.MALFORMED]


def test_frames_of_others_and_stray_responses_are_ignored(wire):
    joined = wire()
    joined.connect()
    for frame in (
        Frame(0x44, 1, 11, b"\xc0\xc0\x81\0\0"),
        Frame(0xC4, 1, 10, b"\xc0\xc0\x81\0\0"),
        Frame(0x44, 1, 10, b"\xc0\xc9\x81\0\0"),
    ):
        joined.master.receive(encode(frame), joined.now)
    assert joined.fetch() == []
    assert joined.master.to_send(joined.now) == b""


def test_link_functions_of_the_outstation_are_answered(wire):
    joined = wire()
    joined.connect()
    joined.master.receive(encode(Frame(0x49, 1, 10)), joined.now)
    (frame,) = FrameReader().feed(joined.master.to_send(joined.now))
    assert (frame.control, frame.destination, frame.source) == (0x8B, 10, 1)


def test_a_silent_outstation_is_probed_and_given_up(wire):
    joined = wire(master={"keep_alive": 30.0, "link_timeout": 5.0})
    joined.connect()
    assert joined.advance(30) == []
    assert joined.advance(29) == []
    joined.now += 1
    joined.master.handle_timer(joined.now)
    assert FrameReader().feed(joined.master.to_send(joined.now))[0].control == 0xC9
    joined.master.handle_timer(joined.now + 5)
    assert joined.fetch() == [OutstationLost()]


def test_any_octets_raise_nothing(wire):
    joined = wire()
    joined.connect()
    source = random.Random(7)
    writer = FragmentWriter(0x44, 1, 10)
    for number in range(2000):
        body = source.randbytes(source.randrange(40))
        head = bytes((source.choice((0xC0, 0xE0, 0xF0)) | source.randrange(16), source.choice((129, 130, 131)), 0, 0))
        joined.master.receive(writer.encode(head + body), joined.now + number)
        joined.master.receive(source.randbytes(20), joined.now + number)
        joined.master.handle_timer(joined.now + number)
        joined.master.to_send(joined.now + number)
        joined.master.next_event()
    assert joined.master.next_timer() is not None


def test_a_response_that_never_ends_is_given_up(wire):
    joined = wire(master={"enable_classes": (), "startup_integrity": False})
    joined.connect()
    joined.master.submit("delay", tasks.simple(tasks.FunctionCode.DELAY_MEASURE))
    sequence = FrameReader().feed(joined.master.to_send(joined.now))[0].payload[1] & 15
    writer = FragmentWriter(0x44, 1, 10)
    for number in range(5000):
        control = (0xA0 if number == 0 else 0x20) | (sequence + number) & 15
        joined.master.receive(writer.encode(bytes((control, 0x81, 0, 0))), joined.now)
        joined.master.to_send(joined.now)
    assert [event.failure for event in joined.fetch()] == [Failure.MALFORMED]


def test_a_task_after_a_long_silence_has_its_whole_time():
    settings = MasterSettings(1, 10, enable_classes=(), startup_integrity=False, keep_alive=None)
    master = Master(settings)
    master.connected(1000.0)
    assert master.to_send(1000.0) == b""
    master.submit("poll", tasks.class_poll((1, 2, 3)))
    assert master.to_send(2000.0) != b""
    assert master.next_timer() == 2005.0
    master.handle_timer(2004.9)
    assert master.next_event() is None
    master.handle_timer(2005.0)
    assert master.next_event().failure is Failure.TIMEOUT
