import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import parse_request
from gridiface.protocols.dnp3.authentication.objects import (
    Challenge,
    Error,
    Reply,
    SessionKeyChange,
    SessionKeyStatus,
    UpdateKeyChange,
    UpdateKeyChangeReply,
    UpdateKeyChangeRequest,
    UserStatusChange,
    aggressive_request,
    find,
    groups_of,
    is_aggressive,
    key_status_request,
)

SAMPLES = [
    (Challenge(1, 2, 4, 1, b"abcd"), "01000000 0200 04 01 61626364"),
    (Reply(1, 2, b"mm"), "01000000 0200 6d6d"),
    (SessionKeyStatus(1, 2, 1, 2, 4, b"abcd", b"mm"), "01000000 0200 01 02 04 0400 61626364 6d6d"),
    (SessionKeyChange(1, 2, b"ww"), "01000000 0200 7777"),
    (Error(1, 2, 3, 7, 5, "no"), "01000000 0200 0300 07 050000000000 6e6f"),
    (UserStatusChange(4, 1, 9, 1, 30, "bo", b"cc"), "04 01 09000000 0100 1e00 0200 0000 0200 626f 6363"),
    (UpdateKeyChangeRequest(4, "bo", b"abcd"), "04 0200 0400 626f 61626364"),
    (UpdateKeyChangeReply(1, 2, b"abcd"), "01000000 0200 0400 61626364"),
    (UpdateKeyChange(1, 2, b"ee"), "01000000 0200 0200 6565"),
]


@pytest.mark.parametrize(("item", "octets"), SAMPLES, ids=lambda item: type(item).__name__)
def test_layouts(item, octets):
    assert item.octets().hex() == octets.replace(" ", "")
    assert type(item).parse(item.octets()) == item
    request = parse_request(b"\xc0\x20" + item.with_header())
    assert find(request, item.VARIATION) == item.octets()
    assert find(request, 99) is None


@given(st.sampled_from([type(item) for item, _ in SAMPLES]), st.binary(max_size=40))
def test_any_octets_raise_nothing_but_the_remote_error(kind, octets):
    try:
        item = kind.parse(octets)
    except RemoteProtocolError:
        return
    assert kind.parse(item.octets()) == item


def test_a_name_must_be_utf_8():
    with pytest.raises(RemoteProtocolError, match="UTF-8"):
        UpdateKeyChangeRequest.parse(bytes.fromhex("04 0200 0400 ffff 61626364"))


def test_aggressive_requests_have_their_marks_first_and_last():
    inner = bytes.fromhex("500100070700")
    mark, code = aggressive_request(5, 1), bytes.fromhex("78095b01020061 61")
    assert is_aggressive(parse_request(b"\xc0\x02" + mark + inner + code).headers)
    assert not is_aggressive(parse_request(b"\xc0\x02" + inner + code).headers)
    assert not is_aggressive(parse_request(b"\xc0\x02" + mark).headers)
    assert key_status_request(258).hex() == "780407010201"


def test_groups_of_a_request():
    assert groups_of(bytes.fromhex("c0 02 50 01 00 07 07 00 32 01 07 01 00 00 00 00 00 00")) == {80, 50}
    assert groups_of(b"\xc0\x0d") == groups_of(bytes.fromhex("c0 02 50")) == frozenset()
