import pytest

from gridiface.protocols.dnp3.application import FunctionCode
from gridiface.protocols.dnp3.outstation.functions import BROADCAST_FUNCTIONS, FUNCTIONS
from gridiface.protocols.dnp3.outstation.handler import ClassAssigned, RestartKind, RestartRequested, UnsolicitedChanged
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

CT, FC, AI, BI = PointType.COUNTER, PointType.FROZEN_COUNTER, PointType.ANALOG_INPUT, PointType.BINARY_INPUT


def test_what_may_be_broadcast_exists():
    assert set(FUNCTIONS) >= BROADCAST_FUNCTIONS


@pytest.mark.parametrize("function", [7, 8, 9, 10])
def test_54_freezes(build, function):
    peer = build()
    peer.clear_restart()
    peer.update(CT, 2, 77)
    request = bytes((0xC0, function)) + bytes.fromhex("14 00 06")
    if function in (7, 9):
        assert peer.one(request)[2:].hex() == "0800"
    else:
        peer.silent(request)
    assert peer.database.value(FC, 2)[0] == 77
    assert peer.database.value(CT, 2)[0] == (0 if function > 8 else 77)


def test_37_a_freeze_makes_frozen_counter_events(build):
    peer = build()
    peer.now = 2.0
    peer.one("c0 07 14 00 00 02 02")
    assert peer.hex("c1 01 17 00 06").endswith("17 05 17 01 02 02 00 00 00 00 d0 07 00 00 00 00")


@pytest.mark.parametrize("text", ["14 00 00 02 03", "14 00 01 02 00 03 00", "14 00 17 02 02 03"])
def test_54_freezes_of_some_counters(build, text):
    peer = build()
    for index in range(5):
        peer.update(CT, index, 9)
    peer.one("c0 07" + text)
    assert [peer.database.value(FC, index)[0] for index in range(5)] == [0, 0, 9, 9, 0]


def test_frozen_analog_inputs(build):
    peer = build()
    peer.update(AI, 1, 2.5)
    peer.one("c0 07 1e 00 00 01 01")
    assert peer.database.value(PointType.FROZEN_ANALOG_INPUT, 1)[0] == 2.5


@pytest.mark.parametrize(
    ("text", "iin2"),
    [("", 4), ("01 00 06", 2), ("14 01 06", 2), ("14 00 00 14 1e", 4), ("14 00 07 01", 4), ("14 00 17 01 14", 4)],
)
def test_freezes_that_do_not_fit(build, text, iin2):
    assert build().one("c0 07" + text)[3] == iin2


def test_without_frozen_points_a_freeze_is_unknown(build):
    assert build([PointConfig(CT, 0)]).one("c0 07 14 00 06")[3] == 2


def test_a_request_of_many_headers_freezes_each_point_once(build):
    peer = build()
    peer.one("c0 07" + "14 00 06" * 100)
    assert peer.buffer.waiting(3) == 10


def test_freeze_at_time_and_again_by_interval(build):
    peer = build(now=1000.0)
    peer.update(CT, 0, 5)
    assert peer.one("c0 0b 32 02 07 01 88 86 0f 00 00 00 10 27 00 00 14 00 06")[3] == 0
    assert peer.channel.next_timer() == 1017.48
    peer.advance(17.47)
    assert peer.database.value(FC, 0)[0] == 0
    peer.advance(0.02)
    assert peer.database.value(FC, 0)[0] == 5
    peer.update(CT, 0, 6)
    peer.advance(10)
    assert peer.database.value(FC, 0)[0] == 6


def test_freeze_at_time_zero_is_now_and_once(build):
    peer = build(now=1000.0)
    peer.update(CT, 0, 5)
    peer.silent("c0 0c 32 02 07 01 00 00 00 00 00 00 00 00 00 00 14 00 06")
    peer.advance(0)
    assert peer.database.value(FC, 0)[0] == 5
    assert peer.association.state.freezes == []


@pytest.mark.parametrize(
    ("text", "iin2"),
    [("14 00 06", 4), ("32 02 07 01" + "00" * 10, 4), ("32 02 07 02" + "00" * 20 + "14 00 06", 4), ("32 01 07 01", 4)],
)
def test_freezes_at_time_that_do_not_fit(build, text, iin2):
    assert build().one("c0 0b" + text)[3] == iin2


def test_planned_freezes_are_bounded(build):
    peer = build()
    text = "0b 32 02 07 01 00 00 00 00 00 ff 00 00 00 00 14 00 06"
    answers = [peer.one(bytes((0xC0 | number & 15,)) + bytes.fromhex(text))[3] for number in range(20)]
    assert answers == [0] * 16 + [4] * 4


def test_one_bad_interval_plans_no_freeze_of_the_request(build):
    peer = build()
    good, bad = "32 02 07 01" + "00" * 6 + "e8 03 00 00", "32 02 07 01" + "00" * 6 + "01 00 00 00"
    assert peer.one("c0 0b" + good + "14 00 00 00 00" + bad + "14 00 00 01 01")[3] == 4
    assert peer.association.state.freezes == []


def test_of_a_range_that_is_partly_there_what_there_is_is_done_and_the_rest_told(build):
    peer = build()
    for index in (10, 11, 12):
        peer.update(CT, index, 7)
    before = peer.association.state.classes[CT][-3]
    assert peer.one("c0 07 14 00 00 0b 1c")[3] == 4
    assert [peer.database.value(FC, index)[0] for index in (10, 11, 12)] == [0, 7, 7]
    assert peer.one("c1 07 14 00 00 20 2c")[3] == 4
    assert peer.one("c2 16 3c 02 06 14 00 00 0b 1c")[3] == 4
    assert peer.association.state.classes[CT][-3:] == [before, 1, 1]
    assert before != 1


def test_52_restarts_are_answered_with_the_time_they_take(build):
    peer = build()
    peer.handler.restart_seconds = 2.0
    assert peer.hex("c0 0e") == "c0 81 80 00 34 02 07 01 d0 07"
    assert RestartRequested(1, RestartKind.WARM, 2.0) in peer.notices()
    peer.handler.restart_seconds = 90.0
    assert peer.hex("c1 0d") == "c1 81 80 00 34 01 07 01 5a 00"


@pytest.mark.parametrize("function", ["0d", "0e"])
def test_52_a_restart_with_objects_is_a_spoilt_request_and_restarts_nothing(build, function):
    peer = build()
    peer.handler.restart_seconds = 2.0
    peer.clear_restart()
    assert peer.hex(f"c3 {function} 3c 02 06") == "c3 81 00 04"
    assert not any(isinstance(notice, RestartRequested) for notice in peer.notices())


def test_52_restarts_are_refused_by_policy(build):
    peer = build()
    peer.clear_restart()
    assert peer.hex("c0 0d") == "c0 81 00 01"
    assert peer.hex("c1 17").startswith("c1 81 00 00")


def test_41_enable_and_disable_per_class(build):
    peer = build(unsolicited=UnsolicitedSettings())
    peer.pending()
    peer.silent("d0 00")
    assert peer.one("c0 14 3c 02 06 3c 04 06")[3] == 0
    assert peer.association.state.enabled == {1, 3}
    assert peer.one("c1 15 3c 02 06")[3] == 0
    assert peer.association.state.enabled == {3}
    changes = [notice for notice in peer.notices() if isinstance(notice, UnsolicitedChanged)]
    assert [notice.classes for notice in changes] == [{1, 3}, {3}]


@pytest.mark.parametrize(("text", "iin2"), [("3c 01 06", 4), ("3c 02 07 01", 4), ("1e 00 06", 2)])
def test_classes_that_cannot_be_enabled(build, text, iin2):
    peer = build(unsolicited=UnsolicitedSettings())
    peer.pending()
    assert peer.one("c0 14" + text)[3] == iin2


def test_without_unsolicited_reporting_its_functions_are_unknown(build):
    assert build().one("c0 14 3c 02 06")[3] == 1
    assert build().one("c0 15 3c 02 06")[3] == 1


def test_53_assign_class_changes_the_class_for_this_master(build, connect):
    peer = build(masters=(1, 2))
    connect(peer.outstation, 2)
    assert peer.one("c0 16 3c 02 06 1e 00 00 00 01 3c 01 06 1e 00 17 01 02")[3] == 0
    for index in range(4):
        peer.update(AI, index, 5.0)
    assert [peer.buffer.waiting(number) for number in (1, 2, 3)] == [2, 1, 0]
    other = peer.outstation.associations[2].state.buffer
    assert [other.waiting(number) for number in (1, 2, 3)] == [0, 4, 0]
    assert ClassAssigned(1, 2, 1) in peer.notices()


def test_assign_class_of_all_points_as_seen_in_the_field(build):
    assert build().one("c0 16 3c 02 06 1e 00 00 00 00")[3] == 0


@pytest.mark.parametrize(
    ("text", "iin2"),
    [("", 4), ("1e 00 06", 4), ("3c 02 06", 4), ("3c 05 06 1e 00 06", 4), ("3c 02 06 20 00 06", 2),
     ("3c 02 06 1e 01 06", 2), ("3c 02 06 1e 00 00 63 64", 4), ("3c 02 07 01 1e 00 06", 4)],
)  # fmt: skip
def test_classes_that_cannot_be_assigned(build, text, iin2):
    peer = build()
    assert peer.one("c0 16" + text)[3] == iin2
    peer.update(AI, 0, 1)
    assert peer.buffer.waiting(2) == 1


def test_51_delay_measure(build):
    peer = build(outstation={"processing_delay_ms": 3})
    peer.clear_restart()
    assert peer.hex("c0 17") == "c0 81 00 00 34 02 07 01 03 00"
    assert peer.one("c1 17 3c 01 06")[3] == 4
    assert peer.one("c2 18 3c 01 06")[3] == 4


def test_activate_configuration(build):
    peer = build()
    peer.clear_restart()
    request = "1f 46 08 5b 01 03 00 61 2e 62"
    assert peer.hex(f"c0 {request}") == "c0 81 00 01"
    peer.handler.activation = (1000, [0])
    assert peer.hex(f"c1 {request}") == "c1 81 00 00 5b 01 5b 01 06 00 e8 03 00 00 01 00"
    assert peer.handler.written[-1] == ["a.b"]
    assert peer.one("c2 1f")[3] == 4
    assert peer.one("c3 1f 3c 01 06")[3] == 2
    assert peer.one("c4 1f 46 08 5b 11" + "01 00 61" * 17)[3] == 4


def test_every_function_answers_any_headers_with_an_indication(build):
    peer = build(unsolicited=UnsolicitedSettings())
    headers = ["", "3c 02 06", "1e 00 00 00 05", "ff ff 06", "0c 01 17 00", "50 01 00 00 00 00", "46 05 5b 00"]
    for number, function in enumerate(FunctionCode):
        for text in headers:
            for fragment in peer.ask(bytes((0xC0 | number & 15, function)) + bytes.fromhex(text)):
                assert len(fragment) >= 4
