import pytest

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.application import FunctionCode, parse_response
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.master.settings import CommandOutcome, Failure, TimeSync
from gridiface.protocols.dnp3.master.tasks import (
    Clock,
    Response,
    activate_config,
    assign_class,
    class_poll,
    clear_restart,
    command_objects,
    control,
    freeze,
    integrity_poll,
    range_poll,
    restart,
    set_unsolicited,
    synchronise,
    write_deadbands,
)


def respond(text, asked=10.0, answered=10.0):
    return Response((parse_response(bytes.fromhex("c0 81" + text)),), asked, answered)


def result(task, *answers):
    """Runs a task with ready answers; what it asked and its outcome."""
    asked = [next(task)]
    for answer in answers:
        try:
            asked.append(task.send(answer))
        except StopIteration as end:
            return asked, end.value
    raise AssertionError("the task goes on")


@pytest.mark.parametrize(
    ("task", "function", "objects"),
    [
        (integrity_poll(), 1, "3c0206 3c0306 3c0406 3c0106"),
        (class_poll((0, 2, 1)), 1, "3c0206 3c0306 3c0106"),
        (range_poll(30, 5, 3, 300), 1, "1e0501 0300 2c01"),
        (clear_restart(), 2, "500100 07 07 00"),
        (set_unsolicited((2, 1), enable=True), 20, "3c0206 3c0306"),
        (set_unsolicited((3,), enable=False), 21, "3c0406"),
        (assign_class(1, 30, [(0, 5)]), 22, "3c0206 1e0000 0005"),
        (assign_class(0, 1, []), 22, "3c0106 010006"),
        (freeze(), 7, "140006"),
        (freeze(30, clear=True, spans=[(1, 2)]), 9, "1e00000102"),
        (write_deadbands({4: 2.0}), 2, "2203170104 00000040"),
    ],
)
def test_simple_tasks(task, function, objects):
    (ask,), outcome = result(task, respond("0000"))
    assert (ask.function, ask.objects.hex()) == (function, objects.replace(" ", ""))
    assert outcome.failure is None


@pytest.mark.parametrize(
    ("answer", "failure", "value"),
    [
        ("0000 5b015b010700e803000002 0000", None, (1000, (0, 0))),
        ("0000 5b015b010700000000000200 02", Failure.REFUSED, (0, (0, 2))),
        ("0004", Failure.REFUSED, None),
        ("0000", Failure.MALFORMED, None),
        ("0000 5b015b010600000000000200", Failure.MALFORMED, None),
        ("0000 5b015b0103000000 00", Failure.MALFORMED, None),
    ],
)
def test_the_activation_of_configurations_is_judged_by_their_status(answer, failure, value):
    """IEEE 1815 A.43: g91v1 is the delay in ms, a count, and a status for each name."""
    (ask,), outcome = result(activate_config(["a", "b"]), respond(answer))
    assert (ask.function, ask.objects.hex()) == (31, "46085b0101006146085b01010062")
    assert (outcome.failure, outcome.value) == (failure, value)


def test_an_error_indication_is_a_refusal():
    for indications in ("0001", "0002", "0004"):
        assert result(clear_restart(), respond(indications))[1].failure is Failure.REFUSED


def test_classes_are_0_to_3():
    for classes in ((), (4,)):
        with pytest.raises(LocalProtocolError):
            class_poll(classes)


def test_the_seconds_of_a_restart():
    assert result(restart(), respond("0000 34020701dc05"))[1].value == 1.5
    assert result(restart(warm=True), respond("0000 340107015a00"))[1].value == 90
    assert result(restart(), respond("0000"))[1].failure is Failure.MALFORMED
    assert result(restart(), respond("0001"))[1].failure is Failure.REFUSED


def test_time_without_and_with_half_the_travel_time():
    clock = Clock(20.0)
    asked, outcome = result(synchronise(TimeSync.DIRECT, clock), respond("0000"))
    assert asked[0].objects.hex() == "32010701" + (20_000).to_bytes(6, "little").hex()
    asked, outcome = result(
        synchronise(TimeSync.NON_LAN, clock), respond("0000 340207010a00", 10.0, 10.110), respond("0000")
    )
    assert [ask.function for ask in asked] == [FunctionCode.DELAY_MEASURE, FunctionCode.WRITE]
    assert asked[1].objects.hex() == "32010701" + (20_050).to_bytes(6, "little").hex()
    assert outcome.failure is None
    assert result(synchronise(TimeSync.NON_LAN, clock), respond("0000"))[1].failure is Failure.REFUSED


def test_lan_time_is_that_of_asking():
    asked, _ = result(synchronise(TimeSync.LAN, Clock(20.0)), respond("0000", 10.5), respond("0000"))
    assert [ask.function for ask in asked] == [FunctionCode.RECORD_CURRENT_TIME, FunctionCode.WRITE]
    assert asked[1].objects.hex() == "32030701" + (10_500).to_bytes(6, "little").hex()
    assert result(synchronise(TimeSync.LAN, Clock()), respond("0001"))[1].failure is Failure.REFUSED


def test_commands_of_one_kind_share_a_header():
    objects = command_objects([(1, AnalogOutput(1, 2)), (2, AnalogOutput(2, 2)), (3, ControlRelayOutputBlock(3))])
    assert objects.hex() == "29021702" + "01010000" + "02020000" + "0c011701" + "03" + "0301" + "00" * 9
    with pytest.raises(LocalProtocolError):
        command_objects([])


ECHO = "0000 290217010105000c"


def test_a_status_is_told_and_ends_a_selection():
    asked, outcome = result(control([(1, AnalogOutput(5, 2))], select=True), respond(ECHO))
    assert [ask.function for ask in asked] == [FunctionCode.SELECT]
    assert outcome.commands == (CommandOutcome(1, CommandStatus.OUT_OF_RANGE),)


@pytest.mark.parametrize(
    "echo",
    ["0000 2902170101060000", "0000 2902170102050000", "0000", "0000 29021702010500000205000c", "0000 290207010500 00"],
)
def test_an_echo_that_differs_is_malformed(echo):
    outcome = result(control([(1, AnalogOutput(5, 2))], select=False), respond(echo))[1]
    assert outcome.failure is Failure.MALFORMED


def test_a_status_beside_an_error_indication_says_more_than_it():
    # as opendnp3 answers a point that it does not have: NOT_SUPPORTED and IIN2.2
    outcome = result(control([(1, AnalogOutput(5, 2))], select=False), respond("0004 2902170101050004"))[1]
    assert outcome.commands == (CommandOutcome(1, CommandStatus.NOT_SUPPORTED),)
    for contradiction in ("0004 2902170101050000", "0004 2902170102050004"):
        assert result(control([(1, AnalogOutput(5, 2))], select=False), respond(contradiction))[1].failure is (
            Failure.REFUSED
        )


def test_an_unknown_status_is_undefined():
    outcome = result(control([(1, AnalogOutput(5, 2))], select=False), respond("0000 290217010105004d"))[1]
    assert outcome.commands[0].status is CommandStatus.UNDEFINED
