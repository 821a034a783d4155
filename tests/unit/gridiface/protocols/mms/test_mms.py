"""The MMS layers by octets with a line of English each, by properties, and with hostile octets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.mms import acse, ber, cotp, data, pdu, presentation, responses, services, session, tpkt, types
from gridiface.protocols.mms.ber import Element
from gridiface.protocols.mms.data import BinaryTime, Data, Kind, UtcTime
from gridiface.protocols.mms.errors import AccessError, ServiceError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.quality import Position, Quality, Validity, position
from gridiface.protocols.mms.references import Constraint, Reference, data_set_name, parse, split
from gridiface.protocols.mms.services import ObjectClass
from gridiface.protocols.mms.types import Type

# --- BER, TPKT, COTP -------------------------------------------------------------------------------------------------

BROKEN_BER = [
    ("02", "an identifier without a length"),
    ("02 05 00", "a length that is longer than what is there"),
    ("02 85 00 00 00 00 01 00", "a length of five octets"),
    ("1f 81 82 03 00", "a tag number of three octets"),
    ("02 80 00 00", "an indefinite length of a primitive"),
    ("30 80 02 01 05", "an indefinite length without end"),
]


@pytest.mark.parametrize(("octets", "english"), BROKEN_BER)
def test_broken_elements_are_refused(octets: str, english: str) -> None:
    with pytest.raises(RemoteProtocolError):
        ber.elements(bytes.fromhex(octets))


def test_an_indefinite_length_is_the_same_element() -> None:
    assert ber.single(bytes.fromhex("30 80 02 01 05 00 00")) == Element(0x30, bytes.fromhex("02 01 05"))


def test_nesting_of_indefinite_lengths_ends() -> None:
    with pytest.raises(RemoteProtocolError):
        ber.single(b"\x30\x80" * 2000 + b"\0\0" * 2000)


@given(st.integers(-(1 << 63), (1 << 64) - 1))
def test_numbers_survive(value: int) -> None:
    assert ber.integer(ber.signed_octets(value)) == value


@given(st.text("01", max_size=40))
def test_bit_strings_survive(value: str) -> None:
    assert ber.bits(ber.bit_octets(value)) == value


def test_long_lengths_and_identifiers() -> None:
    assert ber.tlv(0xBF4D, b"x" * 300)[:5].hex() == "bf4d82012c"
    assert ber.single(ber.tlv(0xBF4D, b"x" * 300)) == Element(0xBF4D, b"x" * 300)
    assert ber.oid("1.0.9506.2.3").hex() == "28ca220203"


def test_elements_that_come_twice_or_too_often() -> None:
    with pytest.raises(RemoteProtocolError, match="twice"):
        ber.fields(bytes.fromhex("800100 800101"))
    with pytest.raises(RemoteProtocolError, match="more than 2"):
        ber.elements(bytes.fromhex("0500" * 3), 2)


def test_packets_are_cut_out_of_a_stream() -> None:
    reader = tpkt.PacketReader()
    stream = tpkt.packet(b"\x02\xf0\x80abc") + tpkt.packet(b"\x02\xf0\x80d")
    found = [unit for octet in stream for unit in reader.feed(bytes((octet,)))]
    assert found == [b"\x02\xf0\x80abc", b"\x02\xf0\x80d"]
    with pytest.raises(RemoteProtocolError, match="no TPKT"):
        reader.feed(b"GET / HTTP")
    with pytest.raises(RemoteProtocolError, match="were agreed"):
        tpkt.PacketReader(100).feed(b"\x03\x00\x10\x00")


TRANSPORT = [
    ("11 e0 0000 0001 00 c0 01 0d c1 02 0001 c2 02 0001", cotp.Connect(1, 0, 13, b"\0\1", b"\0\1"), "a request"),
    ("0a d0 0001 0007 00 c0 01 0a", None, "a parameter longer than the header says"),
    ("09 d0 0001 0007 00 c0 01 0a", cotp.Connect(7, 1, 10), "a confirmation of 1,024 octets"),
    ("06 d0 0001 0007 00", cotp.Connect(7, 1, 7), "one that names no size means 128 octets"),
    ("06 d0 0001 0007 20", None, "class 2"),
    ("09 d0 0001 0007 00 c0 01 20", None, "a size that class 0 does not have"),
    ("06 80 0001 0000 03", cotp.Disconnect(3), "refused: address unknown"),
    ("04 70 0001 02", None, "an error"),
    ("02 f0 80 61", cotp.Data(b"\x61", last=True), "a whole unit"),
    ("02 f0 00 61", cotp.Data(b"\x61", last=False), "a first segment"),
    ("04 f0 0001 80", None, "data of another class"),
    ("02 55", None, "shorter than its header"),
]


@pytest.mark.parametrize(("octets", "unit", "english"), TRANSPORT)
def test_transport_units(octets: str, unit: cotp.Unit | None, english: str) -> None:
    if unit is None:
        with pytest.raises(RemoteProtocolError):
            cotp.decode(bytes.fromhex(octets))
        return
    assert cotp.decode(bytes.fromhex(octets)) == unit


@given(st.binary(max_size=3000), st.sampled_from([128, 512, 1024]))
def test_segments_are_put_together_again(content: bytes, size: int) -> None:
    whole = cotp.Reassembler(4000)
    parts = cotp.segments(content, size)
    assert max(map(len, parts)) <= size
    found = [whole.push(unit) for part in parts if isinstance(unit := cotp.decode(part), cotp.Data)]
    assert [part for part in found if part is not None] == [content]


def test_segments_do_not_grow_without_end() -> None:
    whole = cotp.Reassembler(100)
    whole.push(cotp.Data(b"x" * 60, last=False))
    with pytest.raises(RemoteProtocolError, match="more than 100"):
        whole.push(cotp.Data(b"x" * 60, last=False))
    with pytest.raises(RemoteProtocolError, match="empty"):
        cotp.Reassembler(100).push(cotp.Data(b"", last=False))


def test_what_we_may_not_send_is_our_own_error() -> None:
    for call in (
        lambda: cotp.encode_connect(cotp.Connect(1, calling=b"x" * 40)),
        lambda: cotp.encode_connect(cotp.Connect(1, size_power=20)),
        lambda: session.encode(session.SessionUnit(session.Kind.CONNECT, calling=b"x" * 20)),
        lambda: services.encode_request(services.GetVariableAccessAttributes(Name("D", "Ä"))),
        lambda: data.encode(Data(Kind.UNSIGNED, -1)),
        lambda: data.encode(Data(Kind.INTEGER, 1 << 80)),
        lambda: data.encode(Data(Kind.BIT_STRING, "012")),
        lambda: data.encode(Data(Kind.UTC_TIME, 5)),
        lambda: tpkt.packet(b"x" * 70_000),
    ):
        with pytest.raises(LocalProtocolError):
            call()


# --- session, presentation, ACSE -------------------------------------------------------------------------------------

SESSION = [
    ("01 00 01 00 61 00", session.SessionUnit(session.Kind.DATA, b"\x61\0"), "data behind an empty give tokens"),
    ("0c 03 32 01 81", session.SessionUnit(session.Kind.REFUSE, reason=0x81), "refused: selector unknown"),
    ("0a 00", session.SessionUnit(session.Kind.DISCONNECT), "disconnect without user data"),
    ("19 03 11 01 03", session.SessionUnit(session.Kind.ABORT), "abort with transport disconnect"),
    ("0e 09 05 06 13 01 00 16 01 01", None, "version 1 only"),
    ("01 00 19 00", None, "abort behind tokens"),
    ("0a 05", None, "longer than what is there"),
    ("0e ff 00", None, "a length that ends too early"),
    ("21 00", None, "a unit of another functional unit"),
    ("", None, "nothing"),
]


@pytest.mark.parametrize(("octets", "unit", "english"), SESSION)
def test_session_units(octets: str, unit: session.SessionUnit | None, english: str) -> None:
    if unit is None:
        with pytest.raises(RemoteProtocolError):
            session.decode(bytes.fromhex(octets))
        return
    assert session.decode(bytes.fromhex(octets)) == unit


def test_refusals_are_told_in_words() -> None:
    assert session.decode(bytes.fromhex("0c 03 32 01 81")).words == "selector unknown"
    refusal = presentation.decode_answer(presentation.encode_refusal(3))
    assert (refusal.reason, refusal.words) == (3, "called presentation address unknown")
    refused = acse.decode_answer(acse.encode_answer(b"", 1, 13))
    assert (refused.result, refused.why) == (1, "authentication failure")
    assert "reason 2" in presentation.decode_abort(bytes.fromhex("30 03 80 01 02"))


def test_both_ends_of_an_association_agree() -> None:
    asked = acse.encode_request(b"\xa8\0", calling=acse.Title("1.1.1.999", 12), password=b"secret")
    offer = presentation.decode_connect(presentation.encode_connect(b"\1", b"\2", asked))
    assert (offer.calling, offer.called, sorted(offer.contexts)) == (b"\1", b"\2", [1, 3])
    request = acse.decode_request(offer.user_data)
    assert (request.user_data, request.password) == (b"\xa8\0", b"secret")
    assert acse.same_password(request.password, b"secret")
    assert not acse.same_password(None, b"secret")
    answer = presentation.decode_answer(presentation.encode_accept(b"\2", acse.encode_answer(b"\xa9\0")))
    assert answer.results == (0, 0)
    assert acse.decode_answer(answer.user_data).user_data == b"\xa9\0"


def test_a_peer_that_takes_no_context_of_mms_is_refused() -> None:
    unit = presentation.encode_accept(b"", b"\x61\0").replace(bytes.fromhex("800100"), bytes.fromhex("800102"))
    with pytest.raises(RemoteProtocolError, match="contexts"):
        presentation.decode_answer(unit)


# --- values and types ------------------------------------------------------------------------------------------------

VALUES = [
    ("83 01 ff", Data(Kind.BOOLEAN, True), "true"),
    ("84 02 06 80", Data(Kind.BIT_STRING, "10"), "a double point: on"),
    ("85 02 ff 38", Data(Kind.INTEGER, -200), "minus 200"),
    ("86 03 00 ff ff", Data(Kind.UNSIGNED, 65535), "65,535"),
    ("87 05 08 44 9a 50 00", Data(Kind.FLOAT32, 1234.5), "a float of four octets"),
    ("87 09 0b 40 93 4a 00 00 00 00 00", Data(Kind.FLOAT64, 1234.5), "one of eight"),
    ("89 02 01 02", Data(Kind.OCTET_STRING, b"\1\2"), "two octets"),
    ("8a 02 41 42", Data(Kind.VISIBLE_STRING, "AB"), "a string"),
    ("90 02 c3 84", Data(Kind.MMS_STRING, "Ä"), "a string of UTF-8"),
    ("8c 06 00 88 c8 25 3d 39", Data(Kind.BINARY_TIME, BinaryTime(0x88C825, 0x3D39)), "a time with its day"),
    ("8c 04 00 00 00 01", Data(Kind.BINARY_TIME, BinaryTime(1)), "a time of day"),
    ("91 08 65 53 f1 00 80 00 00 2a", Data(Kind.UTC_TIME, UtcTime(1_700_000_000, 1 << 23, 0x2A)), "half a second on"),
    ("a1 03 85 01 05", Data(Kind.ARRAY, (Data(Kind.INTEGER, 5),)), "an array of one"),
    ("a2 06 83 01 00 85 01 05", data.structure(Data(Kind.BOOLEAN, False), Data(Kind.INTEGER, 5)), "a structure"),
    ("8d 01 09", Data(Kind.BCD, 9), "a decimal"),
    ("8f 02 28 ca", Data(Kind.OBJECT_ID, b"\x28\xca"), "an object identifier"),
    ("8e 02 04 50", Data(Kind.BOOLEAN_ARRAY, "0101"), "truth values"),
    ("8b 01 5a", Data(Kind.GENERALIZED_TIME, "Z"), "a generalized time"),
]


@pytest.mark.parametrize(("octets", "value", "english"), VALUES)
def test_values_both_ways(octets: str, value: Data, english: str) -> None:
    raw = bytes.fromhex(octets)
    assert data.decode(ber.single(raw)) == value
    assert data.encode(value) == raw


BROKEN_VALUES = [
    ("87 05 0b 00 00 00 00", "eleven bits of exponent in four octets"),
    ("91 07 00 00 00 00 00 00 00", "a time of seven octets"),
    ("8c 05 00 00 00 00 00", "a binary time of five"),
    ("83 02 00 00", "a truth value of two"),
    ("85 00", "a number without octets"),
    ("84 01 05", "unused bits of nothing"),
    ("88 01 00", "a kind that is none"),
    ("30 00", "a sequence where a value belongs"),
]


@pytest.mark.parametrize(("octets", "english"), BROKEN_VALUES)
def test_broken_values_are_refused(octets: str, english: str) -> None:
    with pytest.raises(RemoteProtocolError):
        data.decode(ber.single(bytes.fromhex(octets)))


def test_values_are_not_nested_without_end() -> None:
    nested = b""
    for _ in range(60):
        nested = ber.tlv(0xA2, nested)
    with pytest.raises(RemoteProtocolError, match="deeper"):
        data.decode(ber.single(nested))


def test_times_are_instants_and_clocks_tell_their_quality() -> None:
    time = UtcTime(1_700_000_000, 1 << 23, 0xE0 | 0x1F)
    assert time.instant == 1_700_000_000.5
    assert (time.leap_seconds_known, time.clock_failure, time.not_synchronised) == (True, True, True)
    assert time.accuracy_bits is None
    assert UtcTime.at(1_700_000_000.25).instant == 1_700_000_000.25
    assert UtcTime.at(0.0).accuracy_bits == 10
    assert BinaryTime.at(1_700_000_000.25).instant == 1_700_000_000.25
    assert BinaryTime(5).instant is None
    assert data.float32(0.1) == pytest.approx(0.1, rel=1e-7)
    assert data.float32(1e300) == float("inf")


def values() -> st.SearchStrategy[Data]:
    whole = st.integers(-(1 << 63), (1 << 63) - 1)
    leaf = st.one_of(
        st.builds(Data, st.just(Kind.BOOLEAN), st.booleans()),
        st.builds(Data, st.just(Kind.INTEGER), whole),
        st.builds(Data, st.just(Kind.UNSIGNED), st.integers(0, (1 << 64) - 1)),
        st.builds(Data, st.just(Kind.FLOAT32), st.floats(width=32, allow_nan=False)),
        st.builds(Data, st.just(Kind.FLOAT64), st.floats(allow_nan=False)),
        st.builds(Data, st.just(Kind.BIT_STRING), st.text("01", max_size=20)),
        st.builds(Data, st.just(Kind.OCTET_STRING), st.binary(max_size=200)),
        st.builds(Data, st.just(Kind.VISIBLE_STRING), st.text("abcXYZ09 $/", max_size=80)),
        st.builds(
            Data,
            st.just(Kind.UTC_TIME),
            st.builds(UtcTime, st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 24) - 1), st.integers(0, 255)),
        ),
    )
    kinds = st.sampled_from([Kind.STRUCTURE, Kind.ARRAY])
    return st.recursive(
        leaf, lambda inner: st.builds(Data, kinds, st.lists(inner, max_size=4).map(tuple)), max_leaves=12
    )


@settings(max_examples=40)
@given(values())
def test_any_value_survives(value: Data) -> None:
    assert data.decode(ber.single(data.encode(value))) == value


SWITCH = Type(
    Kind.STRUCTURE,
    components=(
        ("ctlVal", Type(Kind.STRUCTURE, components=(("f", Type(Kind.FLOAT32)),))),
        ("T", Type(Kind.BINARY_TIME, 6)),
        ("list", Type(Kind.ARRAY, 3, element=Type(Kind.FLOAT64))),
        ("orIdent", Type(Kind.OCTET_STRING, -64)),
        ("t", Type(Kind.UTC_TIME)),
    ),
)


def test_types_both_ways_and_the_way_to_a_part() -> None:
    assert types.decode(ber.single(types.encode(SWITCH))) == SWITCH
    assert SWITCH.place(("ctlVal", "f")) == (0, 0)
    assert SWITCH.place(("ctlVal", "i")) is None
    assert SWITCH.at(("orIdent",)) == Type(Kind.OCTET_STRING, -64)
    assert SWITCH.at(("nothing", "f")) is None


@pytest.mark.parametrize("octets", ["a0 00", "a7 06 02 01 10 02 01 05", "a2 00", "30 00", "a1 03 81 01 01"])
def test_broken_types_are_refused(octets: str) -> None:
    with pytest.raises(RemoteProtocolError):
        types.decode(ber.single(bytes.fromhex(octets)))


# --- services and units ----------------------------------------------------------------------------------------------

DOMAIN = Name("LD0", "MMXU1$MX$TotW")
REQUESTS: list[tuple[services.Request, services.Response]] = [
    (services.Status(), services.StatusAnswer(0, 1)),
    (services.Identify(), services.IdentifyAnswer("who", "what", "1")),
    (services.GetNameList(ObjectClass.DOMAIN), services.NameList(("LD0", "LD1"), more=True)),
    (services.GetNameList(ObjectClass.VARIABLE, "LD0", "LD0$x"), services.NameList((), more=False)),
    (services.GetVariableAccessAttributes(DOMAIN), SWITCH),
    (services.Read((DOMAIN,)), services.ReadAnswer((AccessError.HARDWARE_FAULT,))),
    (services.Read(Name("@", "mine")), services.ReadAnswer((Data(Kind.BOOLEAN, True), Data(Kind.INTEGER, 3)))),
    (services.Write((DOMAIN,), (Data(Kind.BOOLEAN, True),)), services.WriteAnswer((None,))),
    (services.Write((DOMAIN,), (Data(Kind.BOOLEAN, True),)), services.WriteAnswer((AccessError.TYPE_INCONSISTENT,))),
    (services.DefineVariableList(Name("@", "mine"), (DOMAIN, Name("", "all"))), services.Done()),
    (services.DeleteVariableList(Name("LD0", "LLN0$ds")), services.Done(1)),
    (services.GetVariableListAttributes(Name("LD0", "LLN0$ds")), services.VariableList((DOMAIN,), deletable=True)),
]


@pytest.mark.parametrize(("request_", "response"), REQUESTS)
def test_services_both_ways(request_: services.Request, response: services.Response) -> None:
    unit = pdu.decode(pdu.encode_confirmed(7, services.encode_request(request_)))
    assert isinstance(unit, pdu.Confirmed)
    assert (unit.invoke, unit.answer) == (7, False)
    assert services.decode_request(unit.service) == request_
    back = pdu.decode(pdu.encode_confirmed(7, responses.encode_response(response), answer=True))
    assert isinstance(back, pdu.Confirmed)
    assert responses.decode_response(request_, back.service) == response


def test_an_answer_must_be_one_to_what_was_asked() -> None:
    for request, octets, why in (
        (services.Read((DOMAIN, DOMAIN)), "a4 05 a1 03 80 01 0a", "1 values where 2"),
        (services.Write((DOMAIN,), (Data(Kind.BOOLEAN, True),)), "a5 04 81 00 81 00", "2 results where 1"),
        (services.Write((DOMAIN,), (Data(Kind.BOOLEAN, True),)), "a5 02 82 00", "neither"),
        (services.Status(), "a4 00", "response 0xa4 to Status"),
    ):
        with pytest.raises(RemoteProtocolError, match=why):
            responses.decode_response(request, ber.single(bytes.fromhex(octets)))


UNITS: list[tuple[bytes, pdu.Unit]] = [
    (pdu.encode_failure(300, ServiceError(7, 2)), pdu.Failed(300, ServiceError(7, 2))),
    (pdu.encode_reject(pdu.Reject(4, 1, 1)), pdu.Reject(4, 1, 1)),
    (pdu.encode_cancel(pdu.Cancel(9)), pdu.Cancel(9)),
    (pdu.encode_cancel(pdu.Cancel(9, answer=True)), pdu.Cancel(9, answer=True)),
    (
        pdu.encode_cancel(pdu.Cancel(9, answer=True, error=ServiceError(10, 1))),
        pdu.Cancel(9, answer=True, error=ServiceError(10, 1)),
    ),
    (pdu.encode_conclude(), pdu.Conclude()),
    (pdu.encode_conclude(answer=True), pdu.Conclude(answer=True)),
    (pdu.encode_initiate(pdu.Initiate()), pdu.Initiate()),
    (pdu.encode_initiate(pdu.Initiate(max_octets=None), answer=True), pdu.Initiated(pdu.Initiate(max_octets=None))),
    (
        pdu.encode_report(pdu.Report((DOMAIN,), (Data(Kind.INTEGER, 1),))),
        pdu.Report((DOMAIN,), (Data(Kind.INTEGER, 1),)),
    ),
    (bytes.fromhex("aa 05 a0 03 88 01 01"), pdu.InitiateFailed(ServiceError(8, 1))),
    (bytes.fromhex("ad 05 a0 03 89 01 01"), pdu.Conclude(answer=True, error=ServiceError(9, 1))),
]


@pytest.mark.parametrize(("octets", "unit"), UNITS)
def test_units(octets: bytes, unit: pdu.Unit) -> None:
    assert pdu.decode(octets) == unit


def test_errors_are_told_in_words() -> None:
    assert ServiceError(7, 2).words == "access: object-non-existent"
    assert ServiceError(3, 1, "full").words == "resource: memory-unavailable (full)"
    assert ServiceError(3, 1).passing
    assert not ServiceError(7, 2).passing
    assert ServiceError(99, 5).words == "class 99: code 5"
    assert pdu.Reject(4, 1, 1).words == "confirmed request rejected: unrecognized service"
    assert AccessError.OBJECT_ACCESS_DENIED.words == "object-access-denied"


def test_an_unconfirmed_service_that_is_not_here_is_nobodys() -> None:
    assert pdu.decode(bytes.fromhex("a3 04 a1 02 80 00")) is None
    assert services.decode_request(Element(0xBF48, b"")) is None


# --- references and quality ------------------------------------------------------------------------------------------


def test_references_are_names() -> None:
    reference = parse("VPPDER/MMXU1.TotW.mag.f")
    assert reference == Reference("VPPDER", "MMXU1", ("TotW", "mag", "f"))
    assert reference.name(Constraint.MX) == Name("VPPDER", "MMXU1$MX$TotW$mag$f")
    assert reference.object_name(Constraint.MX) == Name("VPPDER", "MMXU1$MX$TotW")
    assert split(reference.name("MX")) == (reference, Constraint.MX)
    assert str(reference) == "VPPDER/MMXU1.TotW.mag.f"
    assert split(Name("LD", "LLN0$ds")) is None
    assert split(Name("LD", "LLN0$XX$a")) is None


@pytest.mark.parametrize(
    "text", ["", "LD", "LD/LN", "LD/LN.", "LD/LN.a b", "1LD/LN.a", "LD/LN$MX$a", "LD/" + "x" * 200]
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        parse(text)


def test_data_sets() -> None:
    assert data_set_name("LD/LLN0.ds") == data_set_name("LD/LLN0$ds") == Name("LD", "LLN0$ds")
    assert data_set_name("@mine") == Name("@", "mine")
    for text in ("", "@", "LD", "LD/ds", "LD/LLN0$a$b"):
        with pytest.raises(LocalProtocolError):
            data_set_name(text)


def test_quality_bits() -> None:
    told = Quality.of("1100000101100")
    assert told.validity is Validity.QUESTIONABLE
    assert told.details == {"old_data", "inaccurate", "substituted"}
    assert Quality.of(told.bits) == told
    assert Quality.of("01").validity is Validity.INVALID
    assert Quality.of("") == Quality()
    assert [position(bits) for bits in ("00", "01", "10", "11", "1")] == [*Position, None]


# --- hostile octets --------------------------------------------------------------------------------------------------

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "elements": ber.elements,
    "packets": lambda raw: tpkt.PacketReader().feed(raw),
    "transport": cotp.decode,
    "session": session.decode,
    "offer": presentation.decode_connect,
    "answer": presentation.decode_answer,
    "user data": presentation.decode_data,
    "abort": presentation.decode_abort,
    "AARQ": acse.decode_request,
    "AARE": acse.decode_answer,
    "unit": pdu.decode,
    "value": lambda raw: data.decode(ber.single(raw)),
    "type": lambda raw: types.decode(ber.single(raw)),
    "request": lambda raw: services.decode_request(ber.single(raw)),
    **{
        f"response to {type(request).__name__}": lambda raw, request=request: responses.decode_response(
            request, ber.single(raw)
        )
        for request, _ in REQUESTS
    },
}
GOOD = [octets for octets, _ in UNITS] + [responses.encode_response(response) for _, response in REQUESTS]
MUTATED = st.builds(
    lambda octets, at, new: octets[: at % len(octets)] + new + octets[at % len(octets) + len(new) :],
    st.sampled_from(GOOD),
    st.integers(0, 500),
    st.binary(min_size=1, max_size=4),
)


@given(octets=st.one_of(st.binary(max_size=60), MUTATED))
def test_any_octets_raise_only_the_protocols_error(octets: bytes) -> None:
    for decode in DECODERS.values():
        with contextlib.suppress(RemoteProtocolError):
            decode(octets)
