import pytest

from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.master.automatic import AutomaticTasks
from gridiface.protocols.dnp3.master.queue import ROUTINE, STARTUP, Queued
from gridiface.protocols.dnp3.master.settings import EventsLost, Failure, MasterSettings, OutstationRestarted, TimeSync
from gridiface.protocols.dnp3.master.tasks import Clock


class Queue:
    def __init__(self, **settings):
        self.clock = Clock(100.0)
        self.names = []
        self.tasks = AutomaticTasks(
            MasterSettings(1, 10, retry_delay=5.0, **settings),
            self.clock,
            lambda name, task, priority: self.names.append(name),
        )

    def end(self, name, failure=None, priority=STARTUP):
        self.tasks.ended(Queued(priority, 1, name, iter(())), failure, self.clock.now)

    def at(self, now):
        self.clock.now = now
        self.tasks.handle_timer(now)


def test_a_connection_begins_with_what_is_configured():
    everything, nothing = Queue(), Queue(startup_disable=False, startup_integrity=False, enable_classes=())
    everything.tasks.start_up()
    nothing.tasks.start_up()
    assert everything.names == ["disable unsolicited", "integrity poll", "enable unsolicited"]
    assert not nothing.names
    everything.tasks.start_up()
    assert len(everything.names) == 3, "each waits once"


def test_a_start_up_without_an_answer_is_tried_again():
    queue = Queue(enable_classes=())
    queue.tasks.start_up()
    queue.end("integrity poll", Failure.TIMEOUT)
    assert queue.tasks.next_timer() == 105.0
    queue.at(104.9)
    assert queue.names == ["integrity poll"]
    queue.at(105.0)
    assert queue.names == ["integrity poll"] * 2
    assert queue.tasks.next_timer() is None
    queue.end("poll of somebody", Failure.TIMEOUT, ROUTINE)
    assert queue.tasks.next_timer() is None


def test_a_restart_is_told_cleared_and_begins_anew():
    queue = Queue()
    assert [type(event) for event in queue.tasks.heed(IIN.DEVICE_RESTART)] == [OutstationRestarted]
    assert queue.names == ["clear restart", "disable unsolicited", "integrity poll", "enable unsolicited"]
    assert not queue.tasks.heed(IIN.DEVICE_RESTART, "integrity poll"), "it is being cleared"


@pytest.mark.parametrize(
    ("iin", "name"),
    [(IIN.DEVICE_RESTART, "clear restart"), (IIN.NEED_TIME, "time synchronisation"),
     (IIN.EVENT_BUFFER_OVERFLOW, "integrity poll"), (IIN.CLASS_2_EVENTS, "event poll")],
)  # fmt: skip
def test_what_its_own_answer_tells_again_rests(iin, name):
    queue = Queue(
        startup_disable=False, enable_classes=(), startup_integrity=False, time_sync=TimeSync.LAN, poll_on_events=True
    )
    queue.tasks.heed(iin)
    queue.end(name)
    queue.tasks.heed(iin, name)
    queue.tasks.heed(iin, "another")
    assert queue.names == [name]
    queue.at(105.0)
    assert queue.names == [name] * 2
    queue.end(name)
    queue.tasks.heed(IIN.NONE, name)
    assert queue.tasks.next_timer() is None
    queue.tasks.heed(iin)
    assert queue.names == [name] * 3, "what went and came again does not rest"


def test_polls_that_bring_events_go_on():
    queue = Queue(poll_on_events=True)
    for number in range(3):
        queue.tasks.heed(IIN.CLASS_1_EVENTS, "event poll" if number else "", fruitful=True)
        assert queue.names == ["event poll"] * (number + 1)
        queue.end("event poll")


def test_lost_events_are_told_when_the_indication_comes():
    queue = Queue()
    assert queue.tasks.heed(IIN.EVENT_BUFFER_OVERFLOW, "integrity poll") == [EventsLost()]
    assert not queue.tasks.heed(IIN.EVENT_BUFFER_OVERFLOW)
    assert not queue.tasks.heed(IIN.NONE)
    assert queue.tasks.heed(IIN.EVENT_BUFFER_OVERFLOW) == [EventsLost()]


def test_a_lost_connection_forgets_all():
    queue = Queue()
    queue.tasks.start_up()
    queue.end("integrity poll", Failure.TIMEOUT)
    queue.tasks.heed(IIN.DEVICE_RESTART, "clear restart")
    queue.tasks.forget()
    assert queue.tasks.next_timer() is None
    assert not queue.tasks.waits("enable unsolicited")
    queue.tasks.start_up()
    assert queue.names.count("disable unsolicited") == 2


def test_nothing_is_done_about_what_is_not_configured():
    queue = Queue(integrity_on_overflow=False, startup_disable=False, startup_integrity=False, enable_classes=())
    assert not queue.tasks.heed(IIN.NEED_TIME | IIN.EVENT_BUFFER_OVERFLOW | IIN.CLASS_1_EVENTS)
    assert not queue.names
