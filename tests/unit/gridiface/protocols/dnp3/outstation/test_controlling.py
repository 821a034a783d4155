import pytest

from gridiface.protocols.dnp3.controls import AnalogOutput, CommandMode, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.outstation.handler import CommandDone
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

LATCH_ON = "0c 01 28 01 00 03 00 03 01 64 00 00 00 64 00 00 00"
SETPOINTS = {
    1: "29 01 17 01 03 f4 01 00 00",
    2: "29 02 17 01 03 f4 01",
    3: "29 03 17 01 03 00 00 fa 43",
    4: "29 04 28 01 00 03 00 00 00 00 00 00 40 7f 40",
}


def answer(peer, text, iin2=0):
    response = peer.one(text)
    assert response[3] == iin2, response.hex(" ")
    return response[4:].hex(" ")


@pytest.mark.parametrize("command", [LATCH_ON, *SETPOINTS.values()])
def test_45_select_then_operate(build, command):
    peer = build()
    assert answer(peer, f"c5 03 {command} 00") == f"{command} 00"
    assert peer.handler.operated == []
    assert answer(peer, f"c6 04 {command} 00") == f"{command} 00"
    assert [request.mode for request in peer.handler.selected] == [CommandMode.SELECT]
    assert [request.mode for request in peer.handler.operated] == [CommandMode.OPERATE]


@pytest.mark.parametrize(("variation", "command"), SETPOINTS.items())
def test_47_direct_operate_of_a_set_point(build, variation, command):
    peer = build()
    assert answer(peer, f"c0 05 {command} 00") == f"{command} 00"
    assert peer.handler.operated[0].command == AnalogOutput(500.0, variation)
    assert peer.database.value(PointType.ANALOG_OUTPUT, 3)[0] == 500.0
    assert peer.buffer.waiting(2) == 1


def test_47_direct_operate_without_acknowledgement(build):
    peer = build()
    peer.silent(f"c0 06 {LATCH_ON} 00")
    assert peer.handler.operated[0].command == ControlRelayOutputBlock(3, 1, 100, 100)
    assert peer.handler.operated[0].mode is CommandMode.DIRECT_OPERATE_NO_ACK
    assert peer.database.value(PointType.BINARY_OUTPUT, 3)[0] == 1


def test_46_operate_without_select(build):
    assert answer(build(), f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"


def test_46_operate_too_late(build):
    peer = build(select_timeout=10.0)
    answer(peer, f"c5 03 {LATCH_ON} 00")
    peer.now += 10.1
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 01"
    assert peer.handler.operated == []


def test_46_operate_with_a_sequence_gap(build):
    peer = build()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    assert answer(peer, f"c7 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"


def test_46_operate_altered(build):
    peer = build()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    other = LATCH_ON.replace("03 01 64", "04 01 64")
    assert answer(peer, f"c6 04 {other} 00") == f"{other} 02"
    assert answer(peer, f"c7 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"


def test_46_another_request_in_between(build):
    peer = build()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    peer.one("c6 17")
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"


def test_46_a_broken_request_in_between(build):
    peer = build()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    assert peer.one("c5 03 0c 01 28 01 00 03")[3] == 0x04
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"


def test_46_a_confirm_or_a_repeat_in_between_is_no_break(build):
    peer = build()
    for _ in range(2):
        answer(peer, f"c5 03 {LATCH_ON} 00")
    peer.silent("c5 00")
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 00"
    assert len(peer.handler.selected) == 1


def test_45_the_sequence_wraps_between_select_and_operate(build):
    peer = build()
    answer(peer, f"cf 03 {LATCH_ON} 00")
    assert answer(peer, f"c0 04 {LATCH_ON} 00") == f"{LATCH_ON} 00"


def test_46_a_newer_selection_takes_the_place_of_the_older(build):
    peer = build()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    answer(peer, f"c6 03 {LATCH_ON} 00")
    assert answer(peer, f"c7 04 {LATCH_ON} 00") == f"{LATCH_ON} 00"
    answer(peer, f"c8 03 {LATCH_ON} 00")
    answer(peer, f"c9 03 {LATCH_ON} 00")
    assert answer(peer, f"c9 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"  # that of the older one


def test_46_a_selection_is_used_up_by_one_operate_in_time_or_late(build):
    peer = build(select_timeout=10.0)
    answer(peer, f"c5 03 {LATCH_ON} 00")
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 00"
    assert answer(peer, f"c7 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"  # no repeat: a sequence of its own
    answer(peer, f"c8 03 {LATCH_ON} 00")
    peer.now += 11
    assert answer(peer, f"c9 04 {LATCH_ON} 00") == f"{LATCH_ON} 01"
    assert answer(peer, f"c9 04 {LATCH_ON} 00") == f"{LATCH_ON} 01"  # the stored answer
    assert answer(peer, f"ca 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"
    assert len(peer.handler.operated) == 1


@pytest.mark.parametrize("between", ["c6 01 3c 02 06", "c6 63", "c6 02 50 01 00 07 07 00", "c6 01 63 01 06"])
def test_46_whatever_is_asked_in_between_ends_the_selection(build, between):
    peer = build()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    peer.one(between)
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"


def test_46_a_broadcast_in_between_ends_the_selection_an_unsolicited_confirm_does_not(build):
    peer = build(unsolicited=UnsolicitedSettings())
    (null,) = peer.pending()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    peer.silent(bytes((0xD0 | null[0] & 15, 0)))
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 00"
    answer(peer, f"c7 03 {LATCH_ON} 00")
    peer.silent("c8 08 14 00 06", 0xFFFF)
    assert answer(peer, f"c8 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"


def test_46_of_several_selected_objects_every_one_must_be_operated(build):
    peer = build()
    two = LATCH_ON.replace("28 01 00", "28 02 00")
    assert two != LATCH_ON
    body = f"{two} 00 {' '.join(LATCH_ON.split()[5:])}"
    answer(peer, f"c5 03 {body} 00")
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"
    assert peer.handler.operated == []
    answer(peer, f"c7 03 {body} 00")
    assert answer(peer, f"c8 04 {body} 00") == f"{body} 00"
    assert len(peer.handler.operated) == 2


def test_46_another_master_cannot_operate_my_selection(build, connect):
    peer = build(masters=(1, 2))
    other = connect(peer.outstation, 2)
    answer(peer, f"c5 03 {LATCH_ON} 00")
    assert answer(other, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"
    assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 00"


def test_46_a_new_connection_drops_the_selection(build, connect):
    peer = build()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    peer.channel.close()
    again = connect(peer.outstation)
    assert answer(again, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 02"


def test_22_a_repeated_operate_gets_the_stored_answer(build):
    peer = build()
    answer(peer, f"c5 03 {LATCH_ON} 00")
    for _ in range(2):
        assert answer(peer, f"c6 04 {LATCH_ON} 00") == f"{LATCH_ON} 00"
    assert len(peer.handler.operated) == 1


def test_48_the_echo_is_octet_identical_but_for_the_status(build):
    peer = build()
    two = f"0c 01 17 02 00 03 01 00 00 00 00 00 00 00 00 55 07 03 01 00 00 00 00 00 00 00 00 55 {SETPOINTS[2]} 55"
    body = answer(peer, f"c0 05 {two}", iin2=4)
    assert body == two.replace("00 55 07", "00 00 07").replace(" 55 29", " 04 29")[:-2] + "00"


def test_with_one_unselectable_object_none_is_selected(build):
    peer = build()
    both = f"{LATCH_ON} 00 29 02 17 01 63 01 00 00"
    assert answer(peer, f"c5 03 {both}", iin2=4).endswith("29 02 17 01 63 01 00 04")
    assert answer(peer, f"c6 04 {both}").count(" 02") >= 2
    assert peer.handler.operated == []


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("0c 01 17 01 63 03 01 00 00 00 00 00 00 00 00", 4),
        ("0c 01 17 01 00 05 01 00 00 00 00 00 00 00 00", 4),
        ("0c 01 17 01 00 13 01 00 00 00 00 00 00 00 00", 4),
        ("29 02 17 01 63 00 00", 4),
        ("29 02 17 01 00 65 00", 12),
        ("29 02 17 01 00 64 00", 0),
        ("29 03 17 01 00 00 00 c0 7f", 3),
        ("29 03 17 01 00 00 00 80 7f", 12),
    ],
)
def test_49_what_the_core_refuses_by_itself(build, command, status):
    peer = build(
        [PointConfig(PointType.BINARY_OUTPUT, 0), PointConfig(PointType.ANALOG_OUTPUT, 0, minimum=0, maximum=100)]
    )
    # what is not there is an error of the request, too
    assert answer(peer, f"c0 05 {command} 00", iin2=4 * (status == 4)) == f"{command} {status:02x}"


@pytest.mark.parametrize("status", [status for status in CommandStatus if status])
def test_50_every_status_of_the_application_reaches_the_master(build, status):
    peer = build()
    peer.handler.status = peer.handler.select_status = status
    iin2 = 4 * (status == CommandStatus.NOT_SUPPORTED)
    assert answer(peer, f"c0 05 {LATCH_ON} 00", iin2) == f"{LATCH_ON} {status:02x}"
    assert answer(peer, f"c1 03 {LATCH_ON} 00", iin2) == f"{LATCH_ON} {status:02x}"
    assert peer.database.value(PointType.BINARY_OUTPUT, 3)[0] == 0
    done = [notice for notice in peer.notices() if isinstance(notice, CommandDone)]
    assert [(notice.status, notice.index) for notice in done] == [(status, 3)] * 2


def test_49_too_many_objects(build):
    peer = build(max_controls=2)
    command = "29 02 17 03 00 01 00 00 01 01 00 00 02 01 00 00"
    assert answer(peer, f"c0 05 {command}") == "29 02 17 03 00 01 00 00 01 01 00 00 02 01 00 08"
    assert len(peer.handler.operated) == 2


def test_49_local_mode(build):
    peer = build()
    peer.clear_restart()
    peer.outstation.station.local_control = True
    assert peer.hex(f"c0 05 {LATCH_ON} 00") == f"c0 81 20 00 {LATCH_ON} 07"


def test_a_count_of_zero_does_nothing(build):
    peer = build()
    command = "0c 01 17 01 00 03 00 00 00 00 00 00 00 00 00"
    assert answer(peer, f"c0 05 {command} 00") == f"{command} 00"
    assert peer.handler.operated == []
    assert peer.database.value(PointType.BINARY_OUTPUT, 0)[0] == 0


def test_pulses_do_not_move_the_status_point(build):
    peer = build()
    answer(peer, "c0 05 0c 01 17 01 00 41 01 64 00 00 00 00 00 00 00 00")
    assert peer.database.value(PointType.BINARY_OUTPUT, 0)[0] == 0


def test_outputs_are_not_tracked_where_the_application_does_it(build):
    peer = build(outstation={"track_outputs": False})
    answer(peer, f"c0 05 {LATCH_ON} 00")
    assert peer.database.value(PointType.BINARY_OUTPUT, 3)[0] == 0


@pytest.mark.parametrize(
    ("text", "iin2"),
    [
        ("1e 01 17 01 00 01 00 00 00 00", 2),
        ("29 02 00 00 00 01 00 00", 4),
        ("29 02 07 01 01 00 00", 4),
        ("29 02 06", 4),
        ("", 4),
        ("0c 03 00 00 07 01", 4),
        ("29 05 17 01 00 00", 2),
    ],
)
def test_18_control_requests_that_do_not_fit(build, text, iin2):
    assert build().one("c0 05" + text)[3] == iin2


def test_a_pattern_goes_to_every_point_of_the_mask(build):
    peer = build()
    block, mask = "0c 02 07 01 03 01 00 00 00 00 00 00 00 00", "0c 03 00 00 03 0a"
    assert answer(peer, f"c0 05 {block} 00 {mask}") == f"{block} 00 {mask}"
    assert [request.point.index for request in peer.handler.operated] == [1, 3]
    assert answer(peer, f"c1 05 {block} 00 0c 03 00 00 07 ff", iin2=4) == f"{block} 04 0c 03 00 00 07 ff"
    for wrong in (
        block + " 00",
        f"{block} 00 29 02 17 01 00 01 00 00",
        f"{block.replace('07 01', '07 02')} 00 {block}",
    ):
        assert peer.one("c2 05" + wrong)[3] == 4


def test_an_echo_longer_than_a_fragment_is_refused(build):
    peer = build(max_tx_fragment=249, max_rx_fragment=2048)
    assert peer.one("c0 05 29 02 28 32 00" + "00 00 01 00 00" * 50)[2:].hex() == "8004"
    assert peer.handler.operated == []
