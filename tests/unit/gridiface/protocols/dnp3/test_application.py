import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import (
    IIN,
    FunctionCode,
    Qualifier,
    parse_request,
    parse_response,
    response_octets,
)


def parse(text):
    return parse_request(bytes.fromhex(text))


def refusal(text):
    with pytest.raises(RemoteProtocolError) as caught:
        parse(text)
    return IIN(caught.value.answer)


def test_an_integrity_poll_has_four_headers():
    request = parse("c3 01 3c 02 06 3c 03 06 3c 04 06 3c 01 06")
    assert (request.sequence, request.function) == (3, FunctionCode.READ)
    assert [(header.group, header.variation, header.qualifier) for header in request.headers] == [
        (60, variation, Qualifier.ALL) for variation in (2, 3, 4, 1)
    ]


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("1e 05 00 03 05", [3, 4, 5]),
        ("1e 05 01 00 01 02 01", [256, 257, 258]),
        ("1e 05 17 02 03 07", [3, 7]),
        ("1e 05 28 02 00 03 00 00 01", [3, 256]),
        ("1e 05 06", []),
        ("1e 05 07 09", []),
    ],
)
def test_qualifiers_name_points(text, indices):
    header = parse("c0 01" + text).headers[0]
    assert list(header.indices) == indices


def test_counts_and_heads_are_kept():
    header = parse("c0 01 02 00 08 10 00").headers[0]
    assert (header.count, header.head.hex()) == (16, "0200081000")


@pytest.mark.parametrize(
    ("text", "iin"),
    [
        ("c0 55", IIN.NO_FUNC_CODE_SUPPORT),
        ("c0 81", IIN.NO_FUNC_CODE_SUPPORT),
        ("c0 01 3c", IIN.PARAMETER_ERROR),
        ("c0 01 3c 02", IIN.PARAMETER_ERROR),
        ("c0 01 1e 00 00 05", IIN.PARAMETER_ERROR),
        ("c0 01 1e 00 00 05 03", IIN.PARAMETER_ERROR),
        ("c0 01 1e 00 02 05 03", IIN.PARAMETER_ERROR),
        ("c0 01 1e 00 17 02 03", IIN.PARAMETER_ERROR),
        ("c0 02 32 01 07 01 00 00", IIN.PARAMETER_ERROR),
        ("c0 02 c8 01 07 01 00 00", IIN.OBJECT_UNKNOWN),
        ("c0 05 0c 09 17 01 00 00", IIN.OBJECT_UNKNOWN),
        ("c0 19 46 03 07 01 00", IIN.PARAMETER_ERROR),
        ("c0 19 46 03 5b 01 05 00 01", IIN.PARAMETER_ERROR),
        ("c0 02 00 f5 00 00 00 01", IIN.PARAMETER_ERROR),
        ("c0 02 01 01 17 01 00 01", IIN.PARAMETER_ERROR),
        ("c0 02 3c 02 08 ff ff", IIN.PARAMETER_ERROR),
    ],
)
def test_what_does_not_parse_is_told_by_iin(text, iin):
    assert refusal(text) == iin


def test_a_request_of_too_many_headers_is_refused():
    assert refusal("c0 01" + "3c 02 06" * 129) == IIN.PARAMETER_ERROR


def test_a_response_may_have_many_headers():
    assert len(parse_response(bytes.fromhex("c0 81 00 00" + "02 01 17 01 00 81" * 300)).headers) == 300


def test_objects_are_told_apart_by_index_size_or_order():
    request = parse("c0 05 0c 01 28 02 00 03 00 0304050607080910111200 04 01 0304050607080910111200")
    assert [index for index, _ in request.headers[0].objects()] == [3, 0x0104]
    files = parse("c0 19 46 03 5b 02 02 00 61 62 01 00 63")
    assert [octets for _, octets in files.headers[0].objects()] == [b"ab", b"c"]
    attribute = parse("c0 02 00 f5 00 00 00 01 03 61 62 63")
    assert list(attribute.headers[0].objects()) == [(0, bytes.fromhex("0103616263"))]


def test_packed_values_are_read_by_bit():
    header = parse("c0 02 50 01 00 04 07 09").headers[0]
    assert header.bits() == [1, 0, 0, 1]
    header = parse_response(bytes.fromhex("c0 81 00 00 03 01 00 00 02 e4")).headers[0]
    assert header.bits(2) == [0, 1, 2]


def test_a_response_tells_its_indications():
    response = parse_response(bytes.fromhex("e2 81 05 c8 1e 05 00 01 01 01 00 00 80 3f"))
    assert response.iin == IIN.BROADCAST | IIN.CLASS_2_EVENTS | IIN.EVENT_BUFFER_OVERFLOW
    assert list(response.headers[0].objects()) == [(1, bytes.fromhex("010000803f"))]
    assert not response.unsolicited
    assert parse_response(bytes.fromhex("f0 82 90 00")).unsolicited


@pytest.mark.parametrize("text", ["", "c0", "c0 81 00", "c0 01 3c 01 06"])
def test_what_is_no_response_is_refused(text):
    with pytest.raises(RemoteProtocolError):
        parse_response(bytes.fromhex(text))


@settings(max_examples=300)
@given(st.binary(min_size=2, max_size=80), st.sampled_from([parse_request, parse_response]))
def test_any_octets_raise_nothing_but_the_remote_error(octets, parser):
    answer = 0
    try:
        fragment = parser(octets)
    except RemoteProtocolError as error:
        answer = error.answer
    else:
        assert b"".join(header.head + header.body for header in fragment.headers) in octets
    assert answer == 0 or answer in tuple(IIN)


def test_the_header_of_a_response_is_written():
    assert response_octets(0xC0, 129, 0x0290, b"x").hex() == "c081900278"
