import math

import pytest

from gridiface.protocols.dnp3.controls import (
    AnalogOutput,
    CommandStatus,
    ControlRelayOutputBlock,
    OperationType,
    SelectGuard,
    TripCloseCode,
    decode_command,
    precheck,
)
from gridiface.protocols.dnp3.points import PointConfig, PointType

RELAY = PointConfig(PointType.BINARY_OUTPUT, 0)
SETPOINT = PointConfig(PointType.ANALOG_OUTPUT, 0, minimum=-10, maximum=20)


def test_a_relay_block_comes_back_as_it_was():
    block = ControlRelayOutputBlock(0x41, 2, 100, 200)
    assert decode_command(12, 1, block.octets(7)) == block
    assert (block.operation, block.trip_close, block.clear) == (OperationType.PULSE_ON, TripCloseCode.CLOSE, False)
    assert ControlRelayOutputBlock(0x23).clear


@pytest.mark.parametrize("variation", [1, 2, 3, 4])
def test_an_analog_output_comes_back_as_it_was(variation):
    command = AnalogOutput(-12.0, variation)
    assert decode_command(41, variation, command.octets()) == command


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 0x41, 0x81, 0x43, 0x84, 0x23])
def test_known_codes(code):
    assert precheck(RELAY, ControlRelayOutputBlock(code)) is CommandStatus.SUCCESS


@pytest.mark.parametrize("code", [5, 0x0F, 0x11, 0xC1, 0xC3])
def test_reserved_codes_and_the_queue_bit_are_not_supported(code):
    assert precheck(RELAY, ControlRelayOutputBlock(code)) is CommandStatus.NOT_SUPPORTED


def test_a_point_may_take_some_codes_only():
    point = PointConfig(PointType.BINARY_OUTPUT, 0, control_codes=frozenset((3, 4)))
    assert precheck(point, ControlRelayOutputBlock(3)) is CommandStatus.SUCCESS
    assert precheck(point, ControlRelayOutputBlock(1)) is CommandStatus.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (-10.0, CommandStatus.SUCCESS),
        (20.0, CommandStatus.SUCCESS),
        (20.1, CommandStatus.OUT_OF_RANGE),
        (-10.1, CommandStatus.OUT_OF_RANGE),
        (math.inf, CommandStatus.OUT_OF_RANGE),
        (math.nan, CommandStatus.FORMAT_ERROR),
    ],
)
def test_limits_of_a_set_point(value, status):
    assert precheck(SETPOINT, AnalogOutput(value)) is status


def test_infinity_is_out_of_any_range():
    assert precheck(PointConfig(PointType.ANALOG_OUTPUT, 0), AnalogOutput(math.inf)) is CommandStatus.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("signature", "sequence", "later", "status"),
    [
        (b"a", 6, 10.0, CommandStatus.SUCCESS),
        (b"a", 6, 10.1, CommandStatus.TIMEOUT),
        (b"a", 7, 1.0, CommandStatus.NO_SELECT),
        (b"a", 5, 1.0, CommandStatus.NO_SELECT),
        (b"b", 6, 1.0, CommandStatus.NO_SELECT),
    ],
)
def test_operate_must_follow_its_select(signature, sequence, later, status):
    guard = SelectGuard(10.0)
    guard.select(b"a", 5, 100.0)
    assert guard.judge(signature, sequence, 100.0 + later) is status
    assert guard.judge(b"a", 6, 100.0) is CommandStatus.NO_SELECT


def test_the_sequence_of_operate_wraps():
    guard = SelectGuard()
    guard.select(b"a", 15, 0.0)
    assert guard.judge(b"a", 0, 1.0) is CommandStatus.SUCCESS


def test_a_dropped_selection_is_gone():
    guard = SelectGuard()
    guard.select(b"a", 5, 0.0)
    guard.drop()
    assert guard.judge(b"a", 6, 1.0) is CommandStatus.NO_SELECT
