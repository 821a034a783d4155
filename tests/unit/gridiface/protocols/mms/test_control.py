"""Controls: the four models step by step, what each answer means, and the structures by the device's type."""

from __future__ import annotations

import pytest

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.control import Awaited, Controllable, Operation, Outcome
from gridiface.protocols.mms.control_values import (
    AddCause,
    Command,
    ControlModel,
    Origin,
    OriginCategory,
    control_value,
    encode,
    last_appl_error,
)
from gridiface.protocols.mms.data import BinaryTime, Data, Kind, UtcTime, structure
from gridiface.protocols.mms.errors import AccessError, ServiceError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.pdu import Reject, Report
from gridiface.protocols.mms.references import parse
from gridiface.protocols.mms.services import Read, ReadAnswer, Write, WriteAnswer
from gridiface.protocols.mms.types import Type


def record(**parts: Type) -> Type:
    return Type(Kind.STRUCTURE, components=tuple(parts.items()))


FLAG, INT8, FLOAT = Type(Kind.BOOLEAN), Type(Kind.INTEGER, 8), Type(Kind.FLOAT32)
ORIGIN = record(orCat=INT8, orIdent=Type(Kind.OCTET_STRING, -64))
TAIL = {"origin": ORIGIN, "ctlNum": Type(Kind.UNSIGNED, 8), "T": Type(Kind.UTC_TIME), "Test": FLAG}
OPER = record(ctlVal=record(f=FLOAT), **TAIL, Check=Type(Kind.BIT_STRING, -2))
WHOLE = record(SBO=Type(Kind.VISIBLE_STRING, -64), SBOw=OPER, Oper=OPER, Cancel=record(ctlVal=record(f=FLOAT), **TAIL))
REFERENCE = parse("LD0/DWGC1.WSpt")
COMMAND = Command(500.0, number=7, at=1_700_000_000.0)
TAKEN, DENIED = WriteAnswer((None,)), WriteAnswer((AccessError.OBJECT_ACCESS_DENIED,))
OPERATED = Name("LD0", "DWGC1$CO$WSpt$Oper")


def started(model: ControlModel) -> Operation:
    return Operation(Controllable(REFERENCE, model, WHOLE), COMMAND)


def written(step: object) -> str:
    assert isinstance(step, Write)
    assert isinstance(step.what, tuple)
    return step.what[0].item.rsplit("$", 1)[1]


def error(cause: AddCause, number: int = 7, about: str = "LD0/DWGC1$CO$WSpt$Oper") -> Data:
    origin = structure(Data(Kind.INTEGER, 3), Data(Kind.OCTET_STRING, b""))
    return structure(
        Data(Kind.VISIBLE_STRING, about),
        Data(Kind.INTEGER, 1),
        origin,
        Data(Kind.UNSIGNED, number),
        Data(Kind.INTEGER, cause),
    )


def termination(number: int = 7) -> Report:
    return Report((OPERATED,), (encode(OPER, Command(500.0, number=number)),))


def test_direct_control_with_normal_security() -> None:
    operation = started(ControlModel.DIRECT_NORMAL)
    assert written(operation.begin()) == "Oper"
    assert operation.answered(TAKEN) == Outcome(done=True)


def test_select_before_operate_with_normal_security() -> None:
    operation = started(ControlModel.SBO_NORMAL)
    assert operation.begin() == Read((Name("LD0", "DWGC1$CO$WSpt$SBO"),))
    step = operation.answered(ReadAnswer((Data(Kind.VISIBLE_STRING, "LD0/DWGC1$CO$WSpt"),)))
    assert written(step) == "Oper"
    assert operation.answered(TAKEN) == Outcome(done=True)


def test_direct_control_with_enhanced_security_ends_with_its_termination() -> None:
    operation = started(ControlModel.DIRECT_ENHANCED)
    operation.begin()
    assert operation.answered(TAKEN) is Awaited.TERMINATION
    assert not operation.reported(termination(number=6))
    assert not operation.reported(Report(Name("", "RPT"), ()))
    assert operation.reported(termination())
    assert operation.terminated() == Outcome(done=True)


def test_a_termination_may_come_before_the_answer() -> None:
    operation = started(ControlModel.DIRECT_ENHANCED)
    operation.begin()
    assert operation.reported(termination())
    assert operation.answered(TAKEN) == Outcome(done=True)


def test_select_before_operate_with_enhanced_security() -> None:
    operation = started(ControlModel.SBO_ENHANCED)
    assert written(operation.begin()) == "SBOw"
    assert written(operation.answered(TAKEN)) == "Oper"
    assert operation.answered(TAKEN) is Awaited.TERMINATION
    ended = Report((Name("", "LastApplError"), OPERATED), (error(AddCause.TIME_LIMIT_OVER), termination().results[0]))
    assert operation.reported(ended)
    outcome = operation.terminated()
    assert outcome == Outcome(False, "termination", AddCause.TIME_LIMIT_OVER, "time-limit-over", passing=True)


def test_a_select_that_fails() -> None:
    for answer, words, passing in (
        (ReadAnswer((Data(Kind.VISIBLE_STRING, ""),)), "not selected", True),
        (ReadAnswer((AccessError.TEMPORARILY_UNAVAILABLE,)), "temporarily-unavailable", True),
        (ReadAnswer((AccessError.OBJECT_ACCESS_DENIED,)), "object-access-denied", False),
        (ServiceError(3, 1), "resource: memory-unavailable", True),
        (Reject(1, 1, 1), "confirmed request rejected: unrecognized service", False),
    ):
        operation = started(ControlModel.SBO_NORMAL)
        operation.begin()
        assert operation.answered(answer) == Outcome(False, "select", None, words, passing)


def test_add_cause_is_told_where_it_is_about_this_command() -> None:
    last = Name("", "LastApplError")
    for told, cause in (
        (error(AddCause.BLOCKED_BY_INTERLOCKING), AddCause.BLOCKED_BY_INTERLOCKING),
        (error(AddCause.BLOCKED_BY_INTERLOCKING, number=6), None),
        (error(AddCause.BLOCKED_BY_INTERLOCKING, about="LD0/DWGC1$CO$WSpt2$Oper"), None),
        (structure(), None),
    ):
        operation = started(ControlModel.DIRECT_NORMAL)
        operation.begin()
        operation.reported(Report((last,), (told,)))
        outcome = operation.answered(DENIED)
        assert isinstance(outcome, Outcome)
        assert (outcome.done, outcome.step, outcome.cause) == (False, "operate", cause)


def test_what_was_selected_and_not_operated_is_let_go() -> None:
    operation = started(ControlModel.SBO_ENHANCED)
    operation.begin()
    operation.answered(TAKEN)
    assert written(operation.answered(DENIED)) == "Cancel"
    outcome = operation.answered(DENIED)
    assert outcome == Outcome(False, "operate", None, "object-access-denied")


def test_an_object_must_have_what_its_model_needs() -> None:
    for model, kind in (
        (ControlModel.STATUS_ONLY, WHOLE),
        (ControlModel.SBO_NORMAL, record(Oper=OPER)),
        (ControlModel.SBO_ENHANCED, record(SBO=FLAG, Oper=OPER)),
        (ControlModel.DIRECT_NORMAL, record(SBO=FLAG)),
    ):
        with pytest.raises(LocalProtocolError):
            Controllable(REFERENCE, model, kind)


def test_an_operation_is_begun_first() -> None:
    with pytest.raises(LocalProtocolError):
        started(ControlModel.DIRECT_NORMAL).answered(TAKEN)


def test_the_structure_is_the_devices_own() -> None:
    command = Command(1.0, Origin(OriginCategory.AUTOMATIC_REMOTE, b"me"), 300, 1_700_000_000.5, test=True, checks="11")
    kind = record(
        ctlVal=FLAG,
        operTm=Type(Kind.UTC_TIME),
        origin=ORIGIN,
        ctlNum=Type(Kind.UNSIGNED, 8),
        T=Type(Kind.BINARY_TIME, 6),
        Test=FLAG,
        Check=Type(Kind.BIT_STRING, -2),
    )
    assert encode(kind, command).items == (
        Data(Kind.BOOLEAN, True),
        Data(Kind.UTC_TIME, UtcTime(0)),
        structure(Data(Kind.INTEGER, 6), Data(Kind.OCTET_STRING, b"me")),
        Data(Kind.UNSIGNED, 44),
        Data(Kind.BINARY_TIME, BinaryTime.at(1_700_000_000.5)),
        Data(Kind.BOOLEAN, True),
        Data(Kind.BIT_STRING, "11"),
    )
    with pytest.raises(LocalProtocolError, match="unheard"):
        encode(record(unheard=FLAG), command)
    with pytest.raises(LocalProtocolError):
        encode(FLAG, command)


VALUES = [
    (FLOAT, 0.5, Data(Kind.FLOAT32, 0.5)),
    (Type(Kind.FLOAT64), 0.1, Data(Kind.FLOAT64, 0.1)),
    (INT8, -128, Data(Kind.INTEGER, -128)),
    (INT8, 128, None),
    (Type(Kind.UNSIGNED, 8), 255, Data(Kind.UNSIGNED, 255)),
    (Type(Kind.UNSIGNED, 8), -1, None),
    (FLAG, 1.0, Data(Kind.BOOLEAN, True)),
    (Type(Kind.BIT_STRING, 2), 2, Data(Kind.BIT_STRING, "10")),
    (Type(Kind.VISIBLE_STRING), 2, None),
    (record(i=Type(Kind.INTEGER, 32)), 7.4, structure(Data(Kind.INTEGER, 7))),
    (record(i=Type(Kind.INTEGER, 32), f=FLOAT), 7.5, structure(Data(Kind.INTEGER, 8), Data(Kind.FLOAT32, 7.5))),
    (record(x=FLOAT), 1, None),
    (record(f=FLOAT, x=FLOAT), 1, None),
]


@pytest.mark.parametrize(("kind", "value", "data"), VALUES)
def test_values_of_controls(kind: Type, value: float, data: Data | None) -> None:
    if data is None:
        with pytest.raises(LocalProtocolError):
            control_value(kind, value)
        return
    assert control_value(kind, value) == data


def test_last_appl_error_in_other_forms() -> None:
    assert last_appl_error(error(AddCause.SELECT_FAILED)) is not None
    assert last_appl_error(structure(*error(AddCause.SELECT_FAILED).items[:4])) is None
    odd = structure(*error(AddCause.SELECT_FAILED).items[:4], Data(Kind.INTEGER, 250))
    told = last_appl_error(odd)
    assert told is not None
    assert told.cause is AddCause.UNKNOWN
