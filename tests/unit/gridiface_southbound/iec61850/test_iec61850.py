"""The IEC 61850 driver's pure parts: tables, keys, values with quality and time, batches, reports."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from pydantic import ValidationError
from tests.clocks import StandingClock

from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected
from gridiface.protocols.mms import services
from gridiface.protocols.mms.control_values import OriginCategory
from gridiface.protocols.mms.data import BinaryTime, Data, Kind, UtcTime, structure
from gridiface.protocols.mms.errors import AccessError, ServiceError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.pdu import Report
from gridiface.protocols.mms.references import Constraint
from gridiface.protocols.mms.reporting import WANTED_BUFFERED, Option, Trigger
from gridiface.protocols.mms.types import Type
from gridiface_southbound.iec61850.config import Iec61850Config
from gridiface_southbound.iec61850.driver import Iec61850Driver
from gridiface_southbound.iec61850.link import Link
from gridiface_southbound.iec61850.loading import load_table, template_names
from gridiface_southbound.iec61850.model import Place, expect, read_places
from gridiface_southbound.iec61850.reports import Reports
from gridiface_southbound.iec61850.table import Point, ReportRule
from gridiface_southbound.iec61850.values import Reading, ReferenceImage, instant, quality, scalar, spot, worst
from gridiface_southbound.points.image import Write

POWER = {"name": "power", "meaning": "w", "ref": "LD0/MMXU1.TotW.mag.f", "unit": "W", "positive": "delivered"}
TARGET = {
    "name": "target", "meaning": "set_w", "ref": "LD0/DWGC1.WSpt", "unit": "W", "positive": "delivered",
    "write": {"release": [{"point": "target", "value": 0}]},
}  # fmt: skip
TABLE: dict[str, Any] = {"kind": "battery", "nameplate": {"max_w": 1000}, "points": [POWER, TARGET]}


def table(**changes: Any) -> dict[str, Any]:
    return {**TABLE, **changes}


# --- tables and keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", template_names())
def test_templates_are_tables(name: str) -> None:
    assert load_table(name).tried_on_hardware is False


def test_functional_constraints_by_habit() -> None:
    found = {point.name: point.constraint for point in load_table("example-battery").points}
    assert found["power"] is Constraint.MX
    assert found["rated_power"] is Constraint.SP
    assert found["vendor"] is Constraint.DC
    assert found["state"] is Constraint.ST
    assert found["target"] is Constraint.CO
    assert found["export_limit"] is Constraint.SP


WRONG = [
    (table(points=[{**POWER, "ref": "LD0/MMXU1"}]), "is no reference"),
    (table(points=[{**POWER, "ref": "LD0/MMXU1.TotW"}]), "give the attribute"),
    (table(points=[{**POWER, "ref": "{ld}/MMXU1.TotW.mag.f"}]), "{ld} is no parameter"),
    (table(points=[{**POWER, "fc": "CO", "ref": "LD0/MMXU1.TotW"}]), "a control (CO) is written only"),
    (table(points=[POWER, {**TARGET, "fc": "CO", "ref": "LD0/DWGC1.WSpt.mag.f"}]), "named by its data object"),
    (table(points=[POWER, {**TARGET, "fc": "SP", "ref": "LD0/D.W.setMag.f",
           "write": {"status": "LD0/D.W.x", "release": [{"point": "target", "value": 0}]}}]), "belong to controls"),
    (table(reports=[{"ref": "LD0/LLN0.BR.brcb01"}]), "a report control block is LD/LN.name"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "why"), WRONG)
def test_wrong_tables_say_why(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        load_table(given)


def config(**keys: Any) -> Iec61850Config:
    return Iec61850Config.model_validate({"table": TABLE, "host": "192.0.2.1"} | keys)


def test_keys() -> None:
    assert (config().tcp_port, config(port=5).tcp_port) == (102, 5)
    assert config(tls=True, ca_file="ca.pem").tcp_port == 3782
    assert config(origin="automatic_remote").category is OriginCategory.AUTOMATIC_REMOTE


WRONG_KEYS = [
    ({"parameters": {"x": 1}}, "the table has no 'x'"),
    ({"tls": True}, "tls needs ca_file"),
    ({"ca_file": "ca.pem"}, "are for tls"),
    ({"tls": True, "ca_file": "ca.pem", "cert_file": "c.pem"}, "belong together"),
    ({"password_file": "secret"}, "shown to everybody"),
    ({"session_selector": "xyz"}, "session_selector"),
    ({"table": "example-battery", "parameters": {"device": "1X"}}, "is no reference"),
]


@pytest.mark.parametrize(("keys", "why"), WRONG_KEYS)
def test_wrong_keys_say_why(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**keys)
    assert why in str(caught.value)


def test_blocks_with_numbers() -> None:
    assert ReportRule(ref="LD/LLN0.urcb", instances=3).names == ("LD/LLN0.urcb01", "LD/LLN0.urcb02", "LD/LLN0.urcb03")
    assert ReportRule(ref="LD/LLN0.urcb").names == ("LD/LLN0.urcb",)


# --- values ----------------------------------------------------------------------------------------------------------


def record(**parts: Type) -> Type:
    return Type(Kind.STRUCTURE, components=tuple(parts.items()))


Q, T, F = Type(Kind.BIT_STRING, -13), Type(Kind.UTC_TIME), Type(Kind.FLOAT32)
MEASURED = record(mag=record(f=F), q=Q, t=T)
PHASES = record(phsA=record(cVal=record(mag=record(f=F)), q=Q, t=T), t=T)


def measured(value: float, bits: str = "0" * 13) -> Data:
    time = Data(Kind.UTC_TIME, UtcTime(100))
    return structure(structure(Data(Kind.FLOAT32, value)), Data(Kind.BIT_STRING, bits), time)


def test_scalars() -> None:
    for data, wanted in (
        (Data(Kind.BIT_STRING, "10"), 2),
        (Data(Kind.BIT_STRING, "1010"), 5),
        (Data(Kind.OCTET_STRING, b"\1\2"), "0102"),
        (Data(Kind.UTC_TIME, UtcTime(5)), 5.0),
        (Data(Kind.BINARY_TIME, BinaryTime(5)), None),
        (Data(Kind.VISIBLE_STRING, "x"), "x"),
        (structure(), None),
    ):
        assert scalar(data) == wanted


QUALITIES = [
    ("0000000000000", Quality.GOOD),
    ("0100000000000", Quality.BAD),
    ("1000000000000", Quality.BAD),
    ("0000000000010", Quality.BAD),
    ("1100000100000", Quality.STALE),
    ("0000000000001", Quality.STALE),
    ("0000000000100", Quality.SUBSTITUTED),
    ("1100000001000", Quality.ESTIMATED),
]


@pytest.mark.parametrize(("bits", "wanted"), QUALITIES)
def test_qualities(bits: str, wanted: Quality) -> None:
    assert quality(Data(Kind.BIT_STRING, bits)) is wanted


def test_the_worst_quality_counts_and_none_is_good() -> None:
    assert worst([Quality.GOOD, None, Quality.STALE, Quality.ESTIMATED]) is Quality.STALE
    assert worst([None]) is Quality.GOOD
    assert quality(None) is None


def test_a_clock_that_failed_tells_no_time() -> None:
    for bits, wanted in ((0x0A, 100.0), (0x8A, 100.0), (0x4A, None), (0x2A, None)):
        assert instant(Data(Kind.UTC_TIME, UtcTime(100, 0, bits))) == wanted
    assert instant(Data(Kind.UTC_TIME, UtcTime(0))) is None
    assert instant(None) is None


def test_quality_and_time_are_the_nearest_ones() -> None:
    near = spot(PHASES, ("phsA", "cVal", "mag", "f"))
    assert near is not None
    assert (near.quality, near.time) == (("phsA", "q"), ("phsA", "t"))
    assert spot(PHASES, ("phsA", "cVal")) is None
    assert spot(PHASES, ("phsB", "cVal", "mag", "f")) is None


def test_a_bad_value_is_not_read() -> None:
    place = spot(MEASURED, ("mag", "f"))
    assert place is not None
    assert place.read(measured(5.0), MEASURED) == Reading(5.0, Quality.GOOD, 100.0)
    assert place.read(measured(5.0, "0100000000000"), MEASURED) == Reading(None, Quality.BAD, 100.0)
    assert place.read(structure(), MEASURED) == Reading(None, None, None)


def test_a_float_shows_what_four_octets_hold() -> None:
    one = Point.model_validate(POWER)
    image = ReferenceImage(load_table(TABLE), {"power": 0.10000000149011612})
    assert image.holds(Write(one, 0.1, 0.1))
    assert not image.holds(Write(one, 0.2, 0.2))
    image.data["power"] = "x"
    assert not image.holds(Write(one, 0.1, 0.1))


def test_a_snapshot_is_as_good_as_its_power_and_as_old() -> None:
    charge = {"name": "charge", "meaning": "soc", "ref": "LD0/DSTO1.SoC.mag.f", "unit": "%"}
    driver = Iec61850Driver.create("b1", config(table=table(points=[POWER, charge])), clock=StandingClock(1000.0, 0.0))
    plain = Snapshot(device_id="b1", source_time=1000.0, received=1000.0)

    def judged(power: Reading, soc: Reading) -> tuple[Quality, float]:
        driver._readings = {"power": power, "charge": soc}
        seen = driver._judged(plain)
        return seen.quality, seen.source_time

    good = Reading(5.0, Quality.GOOD)
    assert judged(Reading(5.0, Quality.GOOD, 900.0), good) == (Quality.GOOD, 900.0)
    assert judged(Reading(5.0, Quality.GOOD, 900.0), good) == (Quality.GOOD, 1000.0)  # no newer: it still holds
    assert judged(Reading(5.0, Quality.GOOD, 2000.0), good) == (Quality.GOOD, 1000.0)  # a clock that is ahead
    assert judged(good, Reading(5.0, Quality.STALE))[0] is Quality.STALE
    assert judged(good, Reading(None, Quality.BAD))[0] is Quality.GOOD
    assert judged(Reading(None, Quality.BAD), good)[0] is Quality.BAD
    assert judged(Reading(5.0, Quality.BAD), good)[0] is Quality.BAD
    assert judged(Reading(None), good)[0] is Quality.BAD


# --- questions, by a scripted link -----------------------------------------------------------------------------------

TOTW, HZ = Name("LD0", "MMXU1$MX$TotW"), Name("LD0", "MMXU1$MX$Hz")


class Scripted:
    """Answers by the kind of request; keeps what was asked."""

    max_octets = 65_000

    def __init__(self, answers: dict[type, Any]) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    async def ask(self, request: Any) -> Any:
        self.asked.append(request)
        answer = self.answers[type(request)]
        return answer(request) if callable(answer) else answer


def linked(**answers: Any) -> tuple[Scripted, Link]:
    scripted = Scripted({getattr(services, name): answer for name, answer in answers.items()})
    return scripted, cast(Link, scripted)


def placed(name: str, variable: Name) -> tuple[Point, Place]:
    where = spot(MEASURED, ("mag", "f"))
    assert where is not None
    return Point.model_validate({**POWER, "name": name}), Place(variable, MEASURED, where)


async def test_many_variables_go_into_several_messages() -> None:
    scripted, link = linked(Read=lambda request: services.ReadAnswer(tuple(measured(1.0) for _ in request.what)))
    scripted.max_octets = 600
    wanted = [placed(f"p{n}", Name("LD0", f"MMXU{n}$MX$TotW")) for n in range(12)]
    found = await read_places(link, wanted)
    assert len(found) == 12
    assert [len(request.what) for request in scripted.asked] == [4, 4, 4]


async def test_one_variable_is_asked_once_for_all_its_points() -> None:
    scripted, link = linked(Read=services.ReadAnswer((measured(1.0),)))
    assert set(await read_places(link, [placed("a", TOTW), placed("b", TOTW)])) == {"a", "b"}
    assert len(scripted.asked) == 1


async def test_a_value_that_is_refused() -> None:
    for error, kind in (
        (AccessError.TEMPORARILY_UNAVAILABLE, DeviceBusy),
        (AccessError.OBJECT_ACCESS_DENIED, DeviceRejected),
    ):
        _, link = linked(Read=services.ReadAnswer((error,)))
        with pytest.raises(kind, match=error.words):
            await read_places(link, [placed("a", TOTW)])
    _, link = linked(Read=services.ReadAnswer((AccessError.HARDWARE_FAULT,)))
    point, place = placed("a", TOTW)
    assert await read_places(link, [(point.model_copy(update={"optional": True}), place)]) == {"a": Reading(None)}


def test_service_errors_are_refusals() -> None:
    with pytest.raises(DeviceBusy, match="memory-unavailable"):
        expect(ServiceError(3, 1), services.Done, "x")
    with pytest.raises(DeviceRejected, match="object-non-existent"):
        expect(ServiceError(7, 2), services.Done, "x")


# --- reports ---------------------------------------------------------------------------------------------------------

TEXT, NUMBER, FLAG = Type(Kind.VISIBLE_STRING, -129), Type(Kind.UNSIGNED, 32), Type(Kind.BOOLEAN)
BLOCK = record(
    RptID=TEXT,
    RptEna=FLAG,
    DatSet=TEXT,
    OptFlds=Type(Kind.BIT_STRING, -10),
    BufTm=NUMBER,
    TrgOps=Type(Kind.BIT_STRING, -6),
    IntgPd=NUMBER,
    GI=FLAG,
    PurgeBuf=FLAG,
    EntryID=Type(Kind.OCTET_STRING, 8),
    ResvTms=Type(Kind.INTEGER, 16),
)


def block(*, enabled: bool = False, data_set: str = "LD0/LLN0$ds", report_id: str = "r1") -> services.ReadAnswer:
    told = (report_id, enabled, data_set, "0" * 10, 0, "0" * 6, 0, False, False, b"", 0)
    return services.ReadAnswer(
        (structure(*(Data(kind.kind, value) for (_, kind), value in zip(BLOCK.components, told, strict=True))),)
    )


def taking(**changes: Any) -> tuple[Scripted, Link]:
    answers = {
        "GetVariableAccessAttributes": BLOCK,
        "Read": block(),
        "Write": services.WriteAnswer((None,)),
        "GetVariableListAttributes": services.VariableList((TOTW, HZ), deletable=False),
        "DefineVariableList": services.Done(),
        "DeleteVariableList": services.Done(),
    }
    return linked(**(answers | changes))


def written(scripted: Scripted) -> dict[str, Any]:
    return {
        request.what[0].item.rsplit("$", 1)[1]: request.values[0].value
        for request in scripted.asked
        if isinstance(request, services.Write)
    }


def report(
    number: int,
    *entries: tuple[int, Data],
    overflow: bool = False,
    entry_id: bytes = b"\1",
    report_id: str = "r1",
    reason: Trigger = Trigger.GENERAL_INTERROGATION,
) -> Report:
    places = [place for place, _ in entries]
    head = [
        Data(Kind.VISIBLE_STRING, report_id),
        Data(Kind.BIT_STRING, WANTED_BUFFERED.bits),
        Data(Kind.UNSIGNED, number),
        Data(Kind.BINARY_TIME, BinaryTime(5, 10)),
        Data(Kind.VISIBLE_STRING, "LD0/LLN0$ds"),
        Data(Kind.BOOLEAN, overflow),
        Data(Kind.OCTET_STRING, entry_id),
        Data(Kind.BIT_STRING, "".join("01"[n in places] for n in range(2))),
    ]
    reasons = [Data(Kind.BIT_STRING, reason.bits) for _ in places]
    return Report(Name("", "RPT"), (*head, *(value for _, value in entries), *reasons))


PLACES = {"power": placed("power", TOTW)[1], "hz": placed("hz", HZ)[1], "other": placed("o", Name("LD0", "X$MX$Y"))[1]}
RULE = ReportRule(ref="LD0/LLN0.brcb01", buffered=True, integrity_s=60, buffer_s=0.5)


async def subscribed(entries: dict[str, bytes] | None = None, rule: ReportRule = RULE, **changes: Any) -> Any:
    scripted, link = taking(**changes)
    reports = Reports(link, PLACES, {} if entries is None else entries)
    await reports.subscribe(rule, {})
    return scripted, reports


async def test_a_block_is_reserved_set_up_enabled_and_interrogated() -> None:
    scripted, _ = await subscribed()
    assert written(scripted) == {
        "ResvTms": 60,
        "OptFlds": WANTED_BUFFERED.bits,
        "TrgOps": "011011",
        "IntgPd": 60_000,
        "BufTm": 500,
        "PurgeBuf": True,
        "RptEna": True,
        "GI": True,
    }
    assert Option.of(WANTED_BUFFERED.bits) == WANTED_BUFFERED


async def test_what_is_told_is_not_polled() -> None:
    _, reports = await subscribed()
    assert reports.covered == frozenset()
    reports.take(report(0, (0, measured(7.0)), (1, measured(50.0))))
    assert reports.covered == {"power", "hz"}
    reports.take(report(1, (0, measured(8.0, "0100000000000"))))
    assert reports.heard["power"] == Reading(8.0, Quality.BAD, 100.0)
    assert reports.heard["hz"].raw == 50.0


async def test_a_block_without_an_identifier_reports_under_its_name() -> None:
    _, reports = await subscribed(Read=block(report_id=""))
    reports.take(report(0, (0, measured(7.0)), report_id="LD0/LLN0$BR$brcb01"))
    assert reports.heard["power"].raw == 7.0


async def test_what_a_buffer_holds_is_not_the_present() -> None:
    _, reports = await subscribed()
    reports.take(report(0, (0, measured(7.0)), reason=Trigger.DATA_CHANGE, entry_id=b"\0\5"))
    assert (reports.heard, reports.covered) == ({}, frozenset())
    reports.take(report(1, (0, measured(8.0)), (1, measured(50.0))))
    reports.take(report(2, (0, measured(9.0)), reason=Trigger.DATA_CHANGE))
    assert (reports.heard["power"].raw, reports.heard["hz"].raw) == (9.0, 50.0)


async def test_a_block_that_takes_no_interrogation_is_left_again() -> None:
    def answer(request: services.Write) -> services.WriteAnswer:
        refused = isinstance(request.what, tuple) and request.what[0].item.endswith("$GI")
        return services.WriteAnswer((AccessError.OBJECT_ACCESS_DENIED if refused else None,))

    scripted, link = taking(Write=answer)
    reports = Reports(link, PLACES, {})
    with pytest.raises(DeviceRejected, match="access-denied"):
        await reports.subscribe(RULE, {})
    assert written(scripted)["RptEna"] is False
    reports.take(report(0, (0, measured(7.0))))
    assert reports.heard == {}


async def test_it_goes_on_behind_the_last_entry() -> None:
    entries: dict[str, bytes] = {}
    _, reports = await subscribed(entries)
    reports.take(report(0, (0, measured(7.0)), entry_id=b"\0\5"))
    assert entries == {"LD0/LLN0.brcb01": b"\0\5"}
    scripted, _ = await subscribed(entries)
    assert written(scripted)["EntryID"] == b"\0\5"
    assert "PurgeBuf" not in written(scripted)


async def test_what_was_lost_is_asked_for() -> None:
    scripted, reports = await subscribed()
    for number, overflow, gaps in ((5, True, 0), (6, False, 0), (8, False, 1), (9, True, 2)):
        reports.take(report(number, (0, measured(1.0)), overflow=overflow))
        assert reports.gaps == gaps
    before = len(scripted.asked)
    await reports.catch_up()
    await reports.catch_up()
    assert [request.what[0].item for request in scripted.asked[before:]] == ["LLN0$BR$brcb01$GI"]


async def test_blocks_that_cannot_be_had() -> None:
    for changes, why in (
        ({"Read": block(enabled=True)}, "is in use"),
        ({"Read": block(data_set="")}, "has no data set"),
        ({"Read": block(data_set="odd")}, "is no data set"),
        ({"Read": services.ReadAnswer((AccessError.OBJECT_ACCESS_DENIED,))}, "access-denied"),
        ({"GetVariableAccessAttributes": ServiceError(7, 2)}, "object-non-existent"),
        ({"GetVariableAccessAttributes": record(RptID=TEXT)}, "no report control block"),
        ({"Write": services.WriteAnswer((AccessError.TYPE_INCONSISTENT,))}, "type-inconsistent"),
    ):
        with pytest.raises(DeviceRejected, match=why):
            await subscribed(**changes)


async def test_the_next_instance_is_taken() -> None:
    answers = iter([block(enabled=True), block(), block()])
    scripted, _ = await subscribed(
        rule=ReportRule(ref="LD0/LLN0.brcb", buffered=True, instances=2), Read=lambda _: next(answers)
    )
    assert any(
        request.what[0].item.startswith("LLN0$BR$brcb02")
        for request in scripted.asked
        if isinstance(request, services.Write)
    )


async def test_a_data_set_of_our_own() -> None:
    for buffered, name in ((False, Name("@", "gridiface")), (True, Name("LD0", "LLN0$gridiface"))):
        rule = ReportRule(ref="LD0/LLN0.rcb", buffered=buffered, data_set="own")
        scripted, _ = await subscribed(rule=rule)
        (made,) = [request for request in scripted.asked if isinstance(request, services.DefineVariableList)]
        assert made == services.DefineVariableList(name, (TOTW, HZ, Name("LD0", "X$MX$Y")))
        assert written(scripted)["DatSet"] == str(name)


async def test_members_may_be_single_attributes() -> None:
    members = (Name("LD0", "MMXU1$MX$TotW$mag$f"), Name("LD0", "MMXU1$MX$TotW$q"))
    listed = services.VariableList(members, deletable=False)
    _, reports = await subscribed(GetVariableListAttributes=listed)
    reports.take(report(0, (0, Data(Kind.FLOAT32, 3.0)), (1, Data(Kind.BIT_STRING, "0000000000100"))))
    assert reports.heard["power"] == Reading(3.0, Quality.SUBSTITUTED)


async def test_a_data_set_that_was_changed_behind_us() -> None:
    _, reports = await subscribed(GetVariableListAttributes=services.VariableList((TOTW,), deletable=False))
    reports.take(report(0, (1, measured(1.0))))
    assert reports.heard == {}
