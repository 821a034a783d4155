"""Documents of peers that know more, or less, than the declarations."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.resources import DERControl, DERControlList, EventStatus, Notification, Time
from gridiface.protocols.xmlwire import decode, decode_leniently, decode_rearranged, encode

NS = b'xmlns="urn:ieee:std:2030.5:ns"'
TIME = b"<currentTime>1</currentTime><dstEndTime>0</dstEndTime><dstOffset>0</dstOffset><dstStartTime>0</dstStartTime>"
REST = b"<quality>7</quality><tzOffset>0</tzOffset>"


def control(mrid: bytes, base: bytes, more: bytes = b"") -> bytes:
    return (
        b'<DERControl href="/c/' + mrid + b'"><mRID>' + mrid + b"</mRID>" + more + b"<creationTime>5</creationTime>"
        b"<EventStatus><currentStatus>0</currentStatus><dateTime>5</dateTime>"
        b"<potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
        b"<interval><duration>60</duration><start>9</start></interval>"
        b"<DERControlBase>" + base + b"</DERControlBase></DERControl>"
    )


def listed(*controls: bytes, all_: bytes = b'all="9" results="9"') -> bytes:
    return b"<DERControlList " + NS + b" " + all_ + b">" + b"".join(controls) + b"</DERControlList>"


LIMIT = b"<opModMaxLimW>5000</opModMaxLimW>"


def test_what_is_as_declared_is_read_as_ever() -> None:
    body = b"<Time " + NS + b">" + TIME + REST + b"</Time>"
    answer = decode_leniently(body, Time)
    assert (answer.value, answer.notes, answer.left_out) == (decode(body, Time), [], 0)


@pytest.mark.parametrize(
    ("odd", "note"),
    [
        (TIME + REST + b"<newIn2030>5</newIn2030>", "newIn2030"),
        (b"<aFirst><b c='1'/></aFirst>" + TIME + REST, "aFirst"),
        (REST + TIME, "out of order"),
        (TIME + b'<quality unit="1">7</quality><tzOffset>0</tzOffset>', "unit"),
    ],
)
def test_what_is_unknown_or_out_of_order_is_passed_over(odd: bytes, note: str) -> None:
    body = b'<Time newAttribute="1" ' + NS + b">" + odd + b"</Time>"
    with pytest.raises(RemoteProtocolError):
        decode(body, Time)
    answer = decode_leniently(body, Time)
    assert (answer.value.currentTime, answer.value.quality, answer.value.tzOffset) == (1, 7, 0)
    assert any(note in text for text in answer.notes)
    assert any("newAttribute" in text for text in answer.notes)


def test_an_unknown_mode_of_a_control_leaves_those_that_are_known() -> None:
    body = listed(control(b"0A", b"<opModFuture><x>1</x></opModFuture>" + LIMIT))
    (read,) = decode_leniently(body, DERControlList, members="members").value.members
    assert read.derControlBase.opModMaxLimW == 5000


def test_a_member_that_cannot_be_read_hides_no_other_and_is_counted() -> None:
    bad = control(b"0B", b"<opModMaxLimW>much</opModMaxLimW>")
    body = listed(control(b"0A", LIMIT), bad, control(b"0C", LIMIT), b"<DERControl/>")
    answer = decode_leniently(body, DERControlList, members="members")
    assert [one.mRID for one in answer.value.members] == ["0A", "0C"]
    assert answer.left_out == 2
    assert len(answer.notes) == 2
    with pytest.raises(RemoteProtocolError):
        decode_leniently(body, DERControlList)


def test_a_part_of_a_control_that_is_wrong_is_never_passed_over() -> None:
    """A control with a limit that cannot be read must not become one without a limit."""
    body = control(b"0B", b"<opModMaxLimW>much</opModMaxLimW>").replace(b"<DERControl ", b"<DERControl " + NS + b" ", 1)
    with pytest.raises(RemoteProtocolError, match="opModMaxLimW"):
        decode_leniently(body, DERControl)


def test_a_root_that_lacks_something_may_be_completed() -> None:
    def complete(root: etree._Element) -> None:
        for name in ("all", "results"):
            root.set(name, "1")

    body = listed(control(b"0A", LIMIT), all_=b"")
    answer = decode_leniently(body, DERControlList, members="members", prepare=complete)
    assert answer.value.all == 1
    assert answer.notes


def test_what_is_missing_may_be_assumed_at_every_level() -> None:
    body = b"<Time " + NS + b">" + TIME + b"</Time>"
    answer = decode_leniently(body, Time, assumed={Time: {"quality": "7", "tzOffset": "0"}})
    assert (answer.value.currentTime, answer.value.quality) == (1, 7)
    assert any("quality is missing" in note for note in answer.notes)
    one = control(b"0A", LIMIT).replace(b"<potentiallySuperseded>false</potentiallySuperseded>", b"")
    assumed = {EventStatus: {"potentiallySuperseded": "false"}}
    (read,) = decode_leniently(listed(one), DERControlList, members="members", assumed=assumed).value.members
    assert read.eventStatus.potentiallySuperseded is False
    with pytest.raises(RemoteProtocolError, match="quality"):
        decode_leniently(body, Time)


def test_a_notification_with_a_resource_of_a_kind_that_nobody_knows() -> None:
    body = (
        b"<Notification " + NS + b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        b"<subscribedResource>/derp</subscribedResource><Resource xsi:type='NewThing' href='/x'><a>1</a></Resource>"
        b"<status>0</status><subscriptionURI>https://s/sub/1</subscriptionURI></Notification>"
    )
    read = decode_leniently(body, Notification).value
    assert (read.subscribedResource, read.status) == ("/derp", 0)


@pytest.mark.parametrize(
    "body", [b"", b"<html/>", b"<Time/>", b"<Time " + NS + b"/>", b"<EndDevice " + NS + b"/>", b"<!DOCTYPE a><a/>"]
)
def test_what_is_another_document_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_leniently(body, Time)


@given(st.binary(max_size=200))
def test_nothing_but_its_own_error_is_raised(noise: bytes) -> None:
    body = encode(decode(b"<Time " + NS + b">" + TIME + REST + b"</Time>", Time))
    for text in (noise, body[:60] + noise + body[60:], b"<Time " + NS + b">" + noise + b"</Time>"):
        with suppress(RemoteProtocolError):
            assert isinstance(decode_leniently(text, Time).value, Time)


def _parsed(body: bytes) -> etree._Element:
    return etree.fromstring(body)


@pytest.mark.parametrize(
    "odd",
    [
        REST + TIME,
        TIME.replace(b"<currentTime>", b'<currentTime xmlns="">') + REST,
        TIME + b'<quality xmlns="">7</quality><tzOffset>0</tzOffset>',
    ],
)
def test_what_is_out_of_its_place_is_put_there(odd: bytes) -> None:
    root = _parsed(b"<Time " + NS + b">" + odd + b"</Time>")
    before = etree.tostring(root)
    value, read = decode_rearranged(root, (Time,))
    assert value == decode(b"<Time " + NS + b">" + TIME + REST + b"</Time>", Time)
    # A signature is checked over the document as it came.
    assert etree.tostring(root) == before != etree.tostring(read)


def test_what_is_as_declared_is_read_from_the_tree_itself() -> None:
    root = _parsed(b"<Time " + NS + b">" + TIME + REST + b"</Time>")
    assert decode_rearranged(root, (Time,))[1] is root


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (TIME + TIME + REST, "currentTime: out of order"),
        (REST, "missing"),
        (TIME + REST + b"<unknown>1</unknown>", "unknown: not expected"),
        (TIME + REST + b'<quality xmlns="">7</quality>', "quality: not expected"),
        (REST + TIME.replace(b">1<", b">x<"), "out of order"),
    ],
)
def test_what_has_no_place_or_two_is_refused_for_what_it_was(odd: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        decode_rearranged(_parsed(b"<Time " + NS + b">" + odd + b"</Time>"), (Time,))


def test_another_root_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="root element"):
        decode_rearranged(_parsed(b"<a/>"), (Time,))
