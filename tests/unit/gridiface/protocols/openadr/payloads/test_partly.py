"""Lists of events of which some cannot be read."""

from __future__ import annotations

import pytest
from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.events import to_wire
from gridiface.protocols.openadr.payloads import event
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.namespaces import EI, OADR
from gridiface.protocols.openadr.payloads.partly import PartlyRead


def document(kit, *names):
    events = [to_wire(kit.event(name), kit.now) for name in names]
    return etree.fromstring(encode_payload(event.OadrDistributeEvent(requestID="d", vtnID="VTN", oadrEvent=events)))


def spoil(root, event_id, name, text):
    (wanted,) = (one for one in root.iter("{*}oadrEvent") if one.findtext(".//{*}eventID") == event_id)
    next(wanted.iter(f"{{*}}{name}")).text = text
    return root


def test_a_list_that_can_be_read_is_the_plain_payload(kit):
    found, _ = decode_payload(etree.tostring(document(kit, "A")))
    assert type(found) is event.OadrDistributeEvent


def test_what_can_be_said_of_an_event_is_kept_beside_the_others(kit):
    root = spoil(document(kit, "A", "B"), "A", "createdDateTime", "never")
    found, tree = decode_payload(etree.tostring(root))
    assert isinstance(found, PartlyRead)
    assert [one.eiEvent.eventDescriptor.eventID for one in found.oadrEvent] == ["B"]
    (unread,) = found.unread
    assert (unread.id, unread.modification, unread.status, unread.response_required) == ("A", 0, "far", True)
    assert unread.bad_values
    assert "createdDateTime" in unread.reason
    # The tree is the document as it came, for its signature.
    assert len(list(tree.iter("{*}oadrEvent"))) == 2


def test_all_of_them_may_be_unreadable(kit):
    found, _ = decode_payload(etree.tostring(spoil(document(kit, "A"), "A", "createdDateTime", "")))
    assert (found.oadrEvent, [one.id for one in found.unread]) == ([], ["A"])


def test_events_in_other_namespaces_and_orders_are_read_beside_one_that_cannot_be(kit):
    root = spoil(document(kit, "A", "B"), "A", "value", "much")
    for one in root.iter("{*}oadrEvent"):
        one.tag = f"{{{EI}}}oadrEvent"
    (b,) = (one for one in root.iter("{*}eventDescriptor") if one.findtext("{*}eventID") == "B")
    b[:] = reversed(b)
    found, _ = decode_payload(etree.tostring(root))
    assert [one.eiEvent.eventDescriptor.eventID for one in found.oadrEvent] == ["B"]
    assert [one.id for one in found.unread] == ["A"]


def test_what_is_wrong_outside_of_the_events_refuses_the_document(kit):
    root = spoil(document(kit, "A", "B"), "A", "value", "much")
    (vtn,) = root.iter(f"{{{EI}}}vtnID")
    vtn.getparent().remove(vtn)
    with pytest.raises(RemoteProtocolError, match="value"):
        decode_payload(etree.tostring(root))
    root = document(kit, "A")
    etree.SubElement(root[0][0], f"{{{OADR}}}oadrOther")
    with pytest.raises(RemoteProtocolError, match="oadrOther"):
        decode_payload(etree.tostring(root))


@pytest.mark.parametrize("number", ["", "-1", "4294967296", "1.5", "1" * 40])
def test_a_number_that_is_none_is_told_as_none(kit, number):
    found, _ = decode_payload(etree.tostring(spoil(document(kit, "A"), "A", "modificationNumber", number)))
    assert found.unread[0].modification is None


@pytest.mark.parametrize(("wrong", "refused"), [(100, False), (5000, True)])
def test_where_nearly_all_is_wrong_the_document_is(kit, wrong, refused):
    root = document(kit, "A")
    for _ in range(wrong):
        etree.SubElement(root[0][0], f"{{{OADR}}}oadrEvent")
    if refused:
        with pytest.raises(RemoteProtocolError):
            decode_payload(etree.tostring(root))
    else:
        assert len(decode_payload(etree.tostring(root))[0].unread) == wrong


def test_a_payload_without_its_envelope_is_read_in_part_too(kit):
    root = spoil(document(kit, "A", "B"), "A", "createdDateTime", "never")
    found, _ = decode_payload(etree.tostring(root[0][0]))
    assert [one.id for one in found.unread] == ["A"]
