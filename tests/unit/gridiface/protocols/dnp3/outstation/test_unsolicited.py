import pytest

from gridiface.protocols.dnp3.outstation.events import Event
from gridiface.protocols.dnp3.outstation.handler import ConfirmTimedOut
from gridiface.protocols.dnp3.outstation.settings import Trigger, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT


@pytest.fixture
def start(build):
    """An outstation whose null report is confirmed and whose classes are enabled."""

    def make(points=None, *, enable="3c 02 06 3c 03 06 3c 04 06", more=None, **settings):
        peer = build(points, unsolicited=UnsolicitedSettings(**settings), **(more or {}))
        (null,) = peer.pending()
        peer.silent(bytes((0xD0 | null[0] & 15, 0)))
        peer.clear_restart()
        if enable:
            assert peer.one("c1 14" + enable)[3] == 0
        return peer

    return make


def confirm(peer, report):
    """Confirms a report; what the outstation sends next."""
    return peer.ask(bytes((0xD0 | report[0] & 15, 0)))


def test_39_null_report_at_start_is_repeated_until_confirmed(build):
    peer = build(unsolicited=UnsolicitedSettings(confirm_timeout=5.0, retries=None))
    (null,) = peer.pending()
    assert null.hex(" ") == "f0 82 80 00"
    for _ in range(10):
        assert peer.advance(5) == [null]
    assert confirm(peer, null) == []
    assert peer.advance(100) == []


def test_70_on_a_shared_line_each_report_waits_a_random_part_of_the_back_off(build):
    parts = iter((0.5, 0.25, 1.0))
    peer = build(unsolicited=UnsolicitedSettings(backoff=4.0, jitter=lambda: next(parts)))
    assert peer.pending() == []
    assert peer.channel.next_timer() == peer.now + 2.0
    assert peer.advance(1.9) == []
    (null,) = peer.advance(0.1)
    confirm(peer, null)
    peer.clear_restart()
    assert peer.one("c1 14 3c 02 06")[3] == 0
    peer.update(BI, 0, 1)
    assert peer.pending() == []
    assert peer.one("c2 01 3c 01 06")[1] == 0x81  # a poll is answered at once, and does not shorten the wait
    assert peer.advance(0.9) == []
    (report,) = peer.advance(0.1)
    assert report[1] == 0x82


def test_39_null_report_goes_on_after_the_offline_interval_with_the_next_sequence(build):
    peer = build(unsolicited=UnsolicitedSettings(confirm_timeout=5.0, retries=1, offline_interval=30.0))
    (null,) = peer.pending()
    assert peer.advance(5) == [null]
    assert peer.advance(5) == []
    peer.update(BI, 0, 1)
    assert peer.advance(29) == []
    (again,) = peer.advance(1)
    assert (again[0], again[1], len(again)) == (0xF1, 0x82, 4)
    confirm(peer, null)
    assert peer.advance(5) == [again]  # a confirm of the one before does not count
    assert confirm(peer, again) == []
    assert peer.advance(1000) == []


def test_39_a_null_report_tells_the_indications_of_its_time(build):
    # procedure 8.11.2.1: after the restart indication was cleared no null report tells of it
    peer = build(unsolicited=UnsolicitedSettings(confirm_timeout=5.0, retries=None))
    (null,) = peer.pending()
    assert peer.advance(5) == [null]
    peer.clear_restart()
    (fresh,) = peer.advance(5)
    assert (null.hex(" "), fresh.hex(" ")) == ("f0 82 80 00", "f1 82 00 00")
    assert peer.advance(5) == [fresh]
    assert confirm(peer, fresh) == []
    assert peer.advance(100) == []


def test_39_a_late_confirm_of_a_null_report_counts_for_the_one_after_it(build):
    peer = build(unsolicited=UnsolicitedSettings(confirm_timeout=5.0, retries=None))
    (null,) = peer.pending()
    peer.clear_restart()
    assert len(peer.advance(5)) == 1
    assert confirm(peer, null) == []
    assert peer.advance(100) == []


def test_39_as_recorded_with_need_time(build):
    peer = build(unsolicited=UnsolicitedSettings(), need_time=True)
    assert peer.channel.to_send(peer.now).hex(" ") == "05 64 0a 44 01 00 0a 00 6e 25 c0 f0 82 90 00 43 a2"
    assert peer.raw(bytes.fromhex("05 64 08 c4 0a 00 01 00 fc 42 c1 d0 00 a3 50")) == b""
    assert peer.advance(6) == []


def test_40_nothing_but_the_null_report_before_classes_are_enabled(start):
    peer = start(enable="")
    peer.update(BI, 0, 1)
    assert peer.advance(1000) == []
    assert peer.buffer.waiting(1) == 1


def test_40_before_the_null_report_is_confirmed_no_event_goes_out(build):
    peer = build(unsolicited=UnsolicitedSettings())
    (null,) = peer.pending()
    assert peer.one("c0 14 3c 02 06")[3] == 0
    peer.update(BI, 0, 1)
    assert peer.pending() == []
    assert len(confirm(peer, null)) == 1


def test_41_only_enabled_classes_are_reported(start):
    peer = start(enable="3c 02 06")
    peer.update(AI, 0, 1)
    assert peer.pending() == []
    peer.update(BI, 3, 1, time=0)
    (report,) = peer.pending()
    assert report.hex(" ") == "f1 82 04 00 02 02 17 01 03 81 00 00 00 00 00 00"
    assert confirm(peer, report) == []
    assert len(peer.buffer) == 1


def test_41_disable_ends_a_pending_wait_and_keeps_the_events(start):
    peer = start()
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    assert peer.one("c2 15 3c 02 06 3c 03 06 3c 04 06")[2] == 0x02
    assert peer.advance(100) == []
    confirm(peer, report)
    assert peer.buffer.waiting(1) == 1
    assert len(peer.one("c3 01 3c 02 06")) > 4


def test_41_a_confirm_that_crosses_the_disable_counts_so_that_nothing_is_told_twice(start):
    """As masters connect: they disable while the events of the time without them are on their way."""
    peer = start()
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    peer.one("c2 15 3c 02 06 3c 03 06 3c 04 06")
    assert confirm(peer, report) == []
    assert peer.buffer.waiting(1) == 0
    assert len(peer.one("c3 01 3c 02 06")) == 4


def test_41_disable_while_the_null_report_waits_lets_a_read_through(build):
    peer = build(unsolicited=UnsolicitedSettings())
    (null,) = peer.pending()
    peer.one("c0 15 3c 02 06 3c 03 06 3c 04 06")
    assert peer.one("c1 01 3c 01 06")
    assert confirm(peer, null) == []
    assert peer.advance(30) == []


def test_41_a_null_report_that_was_cut_short_is_sent_again(build):
    peer = build(unsolicited=UnsolicitedSettings(confirm_timeout=5.0))
    peer.pending()
    peer.one("c0 15 3c 02 06")
    assert [report[1] for report in peer.advance(5)] == [0x82]


def test_42_a_read_waits_for_the_confirm_other_functions_do_not(start):
    peer = start()
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    peer.silent("c2 01 01 02 00 03 03")
    assert confirm(peer, report)[0].hex(" ").startswith("c2 81 00 00 01 02 00 03 03 81")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("c2 02 50 01 00 07 07 00", "c2 81 00 00"),
        ("c2 03 29 02 17 01 00 05 00 00", "c2 81 00 00 29 02 17 01 00 05 00 00"),
        ("c2 05 29 02 17 01 00 05 00 00", "c2 81 04 00 29 02 17 01 00 05 00 00"),
        ("c2 07 14 00 06", "c2 81 08 00"),
        ("c2 14 3c 02 06", "c2 81 00 00"),
        ("c2 16 3c 02 06 01 00 06", "c2 81 00 00"),
        ("c2 17", "c2 81 00 00 34 02 07 01 00 00"),
        ("c2 18", "c2 81 00 00"),
        ("c2 63", "c2 81 00 01"),
    ],
)
def test_42_every_other_function_is_answered_during_the_wait_which_goes_on(start, request_, answer):
    peer = start(enable="3c 02 06")
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    assert peer.hex(request_) == answer
    assert peer.association._reporter.waiting
    assert peer.buffer.unconfirmed(1) == 1
    assert confirm(peer, report) == []
    assert peer.buffer.waiting(1) == peer.buffer.unconfirmed(1) == 0


def test_42_a_later_request_replaces_the_held_read(start):
    peer = start()
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    peer.silent("c2 01 01 02 00 03 03")
    assert peer.one("c3 17")[1] == 0x81
    assert confirm(peer, report) == []
    peer.update(BI, 3, 0)
    (report,) = peer.pending()
    peer.silent("c4 01 01 02 00 03 03")
    peer.silent("c5 01 01 02 00 04 04")
    assert confirm(peer, report)[0][0] == 0xC5


def test_42_a_held_read_is_answered_when_the_confirm_does_not_come(start):
    peer = start(confirm_timeout=5.0, retries=0)
    peer.update(BI, 3, 1, time=0)
    peer.pending()
    peer.silent("c2 01 3c 02 06")
    (answer,) = peer.advance(5)
    assert answer.hex(" ") == "e2 81 00 00 02 02 17 01 03 81 00 00 00 00 00 00"


def test_42_the_answer_to_a_held_read_takes_the_place_of_a_retry(start):
    # procedure 8.11.2.5: it holds the events of the report, and what it delivered is not reported any more
    peer = start(confirm_timeout=5.0, retries=3)
    peer.update(BI, 3, 1, time=0)
    peer.pending()
    peer.silent("c4 01 3c 02 06 3c 03 06 3c 04 06")
    (answer,) = peer.advance(5)
    assert answer.hex(" ") == "e4 81 00 00 02 02 17 01 03 81 00 00 00 00 00 00"
    peer.silent("c4 00")
    assert peer.advance(100) == []


def test_42_after_the_answer_to_a_held_read_the_null_report_goes_on(build):
    peer = build(unsolicited=UnsolicitedSettings(confirm_timeout=5.0, retries=None))
    peer.pending()
    peer.silent("c1 01 1e 01 00 00 00")
    answer, null = peer.advance(5)
    assert (answer[:2].hex(), null[:2].hex()) == ("c181", "f182")
    assert confirm(peer, null) == []


def test_43_identical_retries_then_the_offline_interval(start):
    peer = start(confirm_timeout=5.0, retries=2, offline_interval=60.0)
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    assert peer.advance(5) == [report]
    peer.update(BI, 4, 1)
    assert peer.advance(5) == [report]
    assert peer.advance(5) == []
    assert ConfirmTimedOut(1, unsolicited=True) in peer.notices()
    assert peer.advance(59) == []
    assert peer.channel.next_timer() == peer.now + 1
    (again,) = peer.advance(1)
    assert again[0] == 0xF2
    assert again[7] == 2


def test_43_regenerated_retries_hold_the_newest_events(start):
    peer = start(confirm_timeout=5.0, retries=2, regenerate=True)
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    peer.update(BI, 4, 1)
    (again,) = peer.advance(5)
    assert (report[0], report[7], again[0], again[7]) == (0xF1, 1, 0xF2, 2)
    peer.advance(5)
    assert peer.advance(5) == []


def test_43_retries_are_in_time_while_a_response_waits_for_its_confirm_too(start):
    peer = start(confirm_timeout=2.0, retries=None, more={"confirm_timeout": 60.0})
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    peer.silent("c0 18", 0xFFFE)
    assert peer.one("c2 17")[0] == 0xE2  # wants a confirm after this broadcast, and gets none for a while
    assert peer.channel.next_timer() == peer.now + 2
    assert peer.advance(2) == [report]
    assert peer.channel.next_timer() == peer.now + 2
    assert peer.advance(2) == [report]
    peer.silent("c2 00")
    confirm(peer, report)
    assert len(peer.buffer) == 0


def test_43_a_report_goes_on_when_the_answer_to_the_held_read_is_confirmed(start):
    peer = start(confirm_timeout=2.0, retries=None, more={"confirm_timeout": 60.0})
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    peer.update(AI, 0, 1)
    assert peer.advance(1) == []
    peer.silent("c2 01 3c 03 06")
    (answer,) = peer.advance(1)
    assert answer[0] == 0xE2
    assert peer.advance(50) == []
    (again,) = peer.ask("c2 00")
    assert (again[0], again[4:]) == (report[0] + 1, report[4:])
    confirm(peer, again)
    assert len(peer.buffer) == 0


def test_43_a_poll_ends_the_offline_interval(start):
    peer = start(confirm_timeout=5.0, retries=0, offline_interval=60.0)
    peer.update(BI, 3, 1)
    peer.pending()
    assert peer.advance(5) == []
    answers = peer.ask("c2 17")
    assert [answer[1] for answer in answers] == [0x81, 0x82]


def test_43_a_series_longer_than_a_fragment_is_drained(start):
    points = [PointConfig(AI, index, event_class=2) for index in range(1000)]
    peer = start(points, more={"max_tx_fragment": 512})
    for index in range(1000):
        peer.update(AI, index, index + 1.0)
    reports = peer.pending()
    for report in reports:
        assert len(report) <= 512
        reports += confirm(peer, report)
    assert len(peer.buffer) == 0
    assert [report[0] & 15 for report in reports] == [number % 16 for number in range(1, len(reports) + 1)]
    assert all(report[2] & 0x04 for report in reports[:-1])
    assert not reports[-1][2] & 0x04


def test_44_wrong_confirms_are_ignored(start):
    peer = start()
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    peer.silent("c1 00")
    peer.silent("d2 00")
    assert len(peer.buffer) == 1
    confirm(peer, report)
    assert len(peer.buffer) == 0


def test_44_the_confirm_of_a_regenerated_report_s_forerunner_is_ignored(start):
    peer = start(confirm_timeout=5.0, retries=3, regenerate=True)
    peer.update(BI, 3, 1)
    (report,) = peer.pending()
    (again,) = peer.advance(5)
    assert confirm(peer, report) == []
    assert len(peer.buffer) == 1
    confirm(peer, again)
    assert len(peer.buffer) == 0


def test_44_an_unsolicited_confirm_does_not_confirm_a_response(start):
    peer = start(enable="")
    peer.update(BI, 3, 1)
    peer.one("c2 01 3c 02 06")
    peer.silent("d2 00")
    assert len(peer.buffer) == 1


def test_a_count_triggers_and_so_does_the_hold_time(start):
    peer = start(triggers={1: Trigger(count=3, hold_time=10.0)})
    for index in (0, 1):
        peer.update(BI, index, 1)
    assert peer.pending() == []
    assert peer.channel.next_timer() == peer.now + 10
    assert peer.advance(9.9) == []
    assert len(peer.advance(0.1)) == 1


def test_an_event_that_no_point_made_waits_as_those_of_points_do(start):
    peer = start(triggers={1: Trigger(count=3, hold_time=10.0)})
    peer.association.state.add(Event(122, 2, 2, 1, 1, 0, wide_index=False), 1, peer.now)
    assert peer.pending() == []
    assert peer.advance(9.9) == []
    assert len(peer.advance(0.1)) == 1


def test_a_count_without_hold_time_waits_for_the_count_alone_without_a_timer(start):
    peer = start(triggers={1: Trigger(count=3)})
    for index in (0, 1):
        peer.update(BI, index, 1)
        assert peer.pending() == []
        assert peer.channel.next_timer() == peer.now + 60  # of the keep-alive
    assert peer.advance(3600) == []
    peer.update(BI, 2, 1)
    assert len(peer.pending()) == 1


def test_after_what_was_due_was_done_nothing_is_due_at_once(start):
    """Whatever the triggers: a timer that stays due would keep the event loop busy for ever."""
    for count in (1, 2, 5):
        for hold_time in (0.0, 0.1, 7.0):
            peer = start(triggers={1: Trigger(count=count, hold_time=hold_time)}, retries=0, offline_interval=30.0)
            for index in (0, 1, 3):
                peer.update(BI, index, 1)
                for _ in range(20):
                    peer.advance(0.7)
                    due = peer.channel.next_timer()
                    assert due is None or due > peer.now


def test_a_count_is_enough(start):
    peer = start(triggers={1: Trigger(count=3, hold_time=10.0)})
    for index in (0, 1, 2):
        peer.update(BI, index, 1)
    assert len(peer.pending()) == 1


def test_a_report_waits_for_the_end_of_a_solicited_response(start):
    peer = start()
    peer.update(AI, 0, 1)
    (report,) = peer.pending()
    assert confirm(peer, report) == []
    peer.update(BI, 3, 1)
    response = peer.fragments(peer.raw(peer.frames_of(bytes.fromhex("c2 01 3c 02 06"))))
    assert [item[1] for item in response] == [0x81]
    peer.update(BI, 4, 1)
    assert peer.pending() == []
    assert [item[1] for item in peer.ask("c2 00")] == [0x82]


def test_sequences_of_reports_and_responses_are_independent(start):
    peer = start()
    for number in range(20):
        peer.update(BI, 3, number & 1 ^ 1)
        (report,) = peer.pending()
        assert report[0] == 0xF0 | (number + 1) & 15
        confirm(peer, report)
        assert peer.one("c7 17" if number & 1 else "c8 17")[0] in (0xC7, 0xC8)


def test_a_new_connection_gets_the_events_but_no_second_null_report(start, connect):
    peer = start()
    peer.update(BI, 3, 1)
    peer.pending()
    peer.channel.close()
    assert peer.channel.next_timer() is None
    again = connect(peer.outstation, now=peer.now)
    (report,) = again.pending()
    assert report[4:7].hex() == "020217"


def test_a_restart_brings_the_null_report_back(start):
    peer = start()
    peer.handler.restart_seconds = 0.0
    answers = peer.ask("c2 0d")
    assert [answer[1:4].hex() for answer in answers] == ["810000", "828000"]
    assert peer.association.state.enabled == set()


def test_two_masters_are_told_independently(build, connect):
    peer = build(unsolicited=UnsolicitedSettings(), masters=(1, 2))
    other = connect(peer.outstation, 2)
    for end in (peer, other):
        (null,) = end.pending()
        confirm(end, null)
        end.one("c0 14 3c 02 06")
    peer.update(BI, 0, 1)
    (report,), (second,) = peer.pending(), other.pending()
    confirm(peer, report)
    assert (len(peer.buffer), len(other.buffer)) == (0, 1)
    confirm(other, second)
    assert len(other.buffer) == 0


def set_clock(peer, seconds):
    """Sets the host's clock; what the outstation sends then."""
    peer.now += seconds
    peer.outstation.clock_set(seconds, peer.now)
    return peer.pending()


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_report_that_is_not_confirmed_comes_again_in_its_time_when_the_clock_is_set(start, seconds):
    peer = start(confirm_timeout=5.0, retries=None)
    peer.update(BI, 0, 1)
    (report,) = peer.pending()
    peer.advance(2)
    (again,) = set_clock(peer, seconds)
    assert again[4:] == report[4:]
    assert peer.advance(4) == []
    assert peer.advance(1) == [again]
    assert confirm(peer, again) == []
    assert peer.advance(100) == []


def test_events_that_are_held_back_go_in_their_time_when_the_clock_is_set_back(start):
    peer = start(triggers={number: Trigger(count=10, hold_time=5.0) for number in (1, 2, 3)})
    peer.update(BI, 0, 1)
    assert peer.advance(3) == []
    assert set_clock(peer, -3600) == []
    assert len(peer.advance(2)) == 1


def test_an_offline_interval_ends_when_the_clock_is_set_back(start):
    peer = start(confirm_timeout=5.0, retries=0, offline_interval=30.0)
    peer.update(BI, 0, 1)
    assert len(peer.pending()) == 1
    assert peer.advance(5) == []
    assert len(set_clock(peer, -86_400)) == 1


def test_42_46_51_a_held_read_comes_between_a_selection_and_its_operate_and_a_record_and_its_time(start):
    peer = start()
    peer.update(BI, 3, 1)
    peer.pending()
    command = "29 02 17 01 01 07 00 00"
    assert peer.one(f"c2 03 {command}")[4:].hex(" ") == command
    peer.silent("c3 01 3c 02 06")
    assert peer.one(f"c3 04 {command}")[4:].hex(" ") == "29 02 17 01 01 07 00 02"
    assert peer.handler.operated == []
    peer.one("c4 18")
    peer.silent("c5 01 3c 02 06")
    assert peer.one("c6 02 32 03 07 01 e8 03 00 00 00 00")[3] == 0x04
