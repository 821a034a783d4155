"""Plays a recorded association against the client, octet for octet.

`#` says in English what is going on, `>` are octets that the client must send, `<` those that come back.
"""

from __future__ import annotations

from pathlib import Path

from gridiface.protocols.mms.association import Settings
from gridiface.protocols.mms.client import Answered, Associated, Client, Ended, Event, Reported
from gridiface.protocols.mms.control import Awaited, Controllable, Operation, Outcome
from gridiface.protocols.mms.control_values import AddCause, Command, ControlModel
from gridiface.protocols.mms.data import Data, Kind
from gridiface.protocols.mms.errors import AccessError, ServiceError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.quality import Quality
from gridiface.protocols.mms.references import parse
from gridiface.protocols.mms.reporting import Trigger, decode
from gridiface.protocols.mms.services import (
    GetNameList,
    GetVariableAccessAttributes,
    GetVariableListAttributes,
    Identify,
    IdentifyAnswer,
    NameList,
    ObjectClass,
    Read,
    ReadAnswer,
    Request,
    VariableList,
    Write,
    WriteAnswer,
)
from gridiface.protocols.mms.types import Type

LINES = [line.split(" ", 1) for line in (Path(__file__).parent / "libiec61850.txt").read_text().splitlines()]
TIME = 1_700_000_000.0


class Played:
    """The recording, from where it stands."""

    def __init__(self) -> None:
        self.lines = [(mark, text) for mark, text in LINES if mark != "#"]
        self.client = Client(Settings())

    def go(self) -> list[Event]:
        """What the client sends is what was recorded; then what came back, until the client's turn comes again."""
        mark, wanted = self.lines.pop(0)
        assert mark == ">"
        assert self.client.to_send().hex() == wanted
        while self.lines and self.lines[0][0] == "<":
            self.client.receive(bytes.fromhex(self.lines.pop(0)[1]))
        events: list[Event] = []
        while (event := self.client.next_event()) is not None:
            events.append(event)
        return events

    def ask(self, request: Request) -> list[Event]:
        self.client.request(request)
        return self.go()

    def answer(self, request: Request) -> object:
        (event,) = self.ask(request)
        assert isinstance(event, Answered)
        return event.result


def associated() -> Played:
    played = Played()
    played.client.connect()
    assert played.go() == []
    (opened,) = played.go()
    assert isinstance(opened, Associated)
    assert (opened.terms.max_octets, opened.terms.calling, opened.terms.nesting) == (65_000, 5, 10)
    return played


def operate(played: Played, kind: Type, number: int) -> tuple[Operation, list[Event]]:
    control = Controllable(parse("VPPDER/DWGC1.WSpt3"), ControlModel.DIRECT_ENHANCED, kind)
    operation = Operation(control, Command(500.0, number=number, at=TIME))
    request = operation.begin()
    assert isinstance(request, Write)
    return operation, played.ask(request)


def test_a_recorded_association_is_played_octet_for_octet() -> None:
    played = associated()
    assert played.answer(Identify()) == IdentifyAnswer("libiec61850.com", "LIBIEC61850", "1.6.1")
    assert played.answer(GetNameList(ObjectClass.DOMAIN)) == NameList(("VPPDER",), more=False)
    seen = played.answer(Read((Name("VPPDER", "MMXU1$MX$TotW"), Name("VPPDER", "nope"))))
    assert isinstance(seen, ReadAnswer)
    power, missing = seen.results
    assert missing is AccessError.OBJECT_NON_EXISTENT
    assert isinstance(power, Data)
    magnitude, quality, time = power.items
    assert magnitude.items == (Data(Kind.FLOAT32, 1234.5),)
    assert Quality.of(quality.value) == Quality()
    assert time.value.instant > TIME
    switch = played.answer(GetVariableAccessAttributes(Name("VPPDER", "CSWI1$CO$Pos")))
    assert isinstance(switch, Type)
    assert [name for name, _ in switch.components] == ["SBO", "Oper", "Cancel"]
    error = played.answer(GetVariableAccessAttributes(Name("VPPDER", "nope")))
    assert isinstance(error, ServiceError)
    assert error.words == "access: object-non-existent"
    members = tuple(Name("VPPDER", item) for item in ("MMXU1$MX$TotW", "DSTO1$MX$SoC", "MMXU1$MX$Hz"))
    listed = played.answer(GetVariableListAttributes(Name("VPPDER", "LLN0$telemetry")))
    assert listed == VariableList(members, deletable=False)
    selected = played.answer(Read((Name("VPPDER", "CSWI1$CO$Pos$SBO"),)))
    assert selected == ReadAnswer((Data(Kind.VISIBLE_STRING, "VPPDER/CSWI1$CO$Pos"),))
    kind = played.answer(GetVariableAccessAttributes(Name("VPPDER", "DWGC1$CO$WSpt3")))
    assert isinstance(kind, Type)
    controls(played, kind)
    reports(played)
    played.client.conclude()
    assert played.go() == []
    assert played.go() == [Ended("released")]
    assert played.lines == []


def controls(played: Played, kind: Type) -> None:
    operation, (answered, ended) = operate(played, kind, 7)
    assert isinstance(answered, Answered)
    assert isinstance(ended, Reported)
    assert operation.answered(answered.result) is Awaited.TERMINATION
    assert operation.reported(ended.report)
    assert operation.terminated() == Outcome(done=True)

    operation, (told, answered) = operate(played, kind, 8)
    assert isinstance(told, Reported)
    assert isinstance(answered, Answered)
    assert not operation.reported(told.report)
    refused = operation.answered(answered.result)
    assert refused == Outcome(False, "operate", AddCause.BLOCKED_BY_INTERLOCKING, "blocked-by-interlocking")

    operation, (answered, ended) = operate(played, kind, 9)
    assert isinstance(answered, Answered)
    assert isinstance(ended, Reported)
    assert operation.answered(answered.result) is Awaited.TERMINATION
    assert operation.reported(ended.report)
    outcome = operation.terminated()
    assert isinstance(outcome, Outcome)
    assert (outcome.done, outcome.step, outcome.cause) == (False, "termination", AddCause.UNKNOWN)


def reports(played: Played) -> None:
    block = "LLN0$BR$brcb01"
    true = (Data(Kind.BOOLEAN, True),)
    assert played.answer(Write((Name("VPPDER", f"{block}$RptEna"),), true)) == WriteAnswer((None,))
    answered, buffered, whole = played.ask(Write((Name("VPPDER", f"{block}$GI"),), true))
    assert isinstance(answered, Answered)
    assert isinstance(buffered, Reported)
    assert isinstance(whole, Reported)
    first, second = decode(buffered.report), decode(whole.report)
    assert first is not None
    assert second is not None
    assert (first.report_id, first.data_set, first.overflow) == ("brcb01", "VPPDER/LLN0$telemetry", True)
    assert [(entry.place, entry.reasons) for entry in first.entries] == [(0, Trigger.DATA_CHANGE)]
    assert (first.sequence, second.sequence, second.revision) == (0, 1, 1)
    assert first.entry_id < second.entry_id
    assert [entry.place for entry in second.entries] == [0, 1, 2]
    assert {entry.reasons for entry in second.entries} == {Trigger.GENERAL_INTERROGATION}
