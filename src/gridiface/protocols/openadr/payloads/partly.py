"""A list of events of which some cannot be read: the others are taken as they are (rule 19).

Owns what can still be said of an event that is no valid one: which it is, so that it is answered and not taken for
cancelled. What is wrong outside of the events refuses the document as ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain

from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.payloads.event import EVENT_STATUS, OadrDistributeEvent, OadrEvent
from gridiface.protocols.openadr.payloads.namespaces import OADR
from gridiface.protocols.xmlwire import BAD_VALUES, WireObject, decode_rearranged

_LIST = "oadrDistributeEvent"
_MEMBER = "oadrEvent"
#: Of one document; where more are wrong it is no list of events with a bad one.
_MOST = 100
_LARGEST = 2**32 - 1
#: Octets in UTF-8 of an eventID that is answered; longer ones name nothing that could be kept either.
_LONGEST_ID = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadEvent:
    """An event that is not as the schema has it.

    Attributes:
        id: its eventID; None: it cannot be told which event it is.
        modification: its modificationNumber; None: it cannot be told, and the event cannot be answered.
        status: its eventStatus, "" where it is none.
        response_required: whether it must be answered; where that cannot be told it is.
        reason: what is wrong with it.
        bad_values: a text that its type does not allow; else something is missing, doubled or not known.
    """

    id: str | None
    modification: int | None
    status: str
    response_required: bool
    reason: str
    bad_values: bool


@dataclass(slots=True, kw_only=True)
class PartlyRead(OadrDistributeEvent):
    """An oadrDistributeEvent of which some events cannot be read; it is only received, never sent."""

    unread: list[UnreadEvent] = field(default_factory=list)


def decode_partly(
    root: etree._Element, expected: tuple[type[WireObject], ...]
) -> tuple[WireObject, etree._Element, list[UnreadEvent]] | None:
    """As `decode_rearranged`, without the events that cannot be read; None where it is not these that are wrong.

    Returns:
        the object, the tree that it was read from (a copy: `root` stays as it is), and what can be said of the others.
    """
    # What is no list of events, most of what is wrong, is not copied.
    if _list_of(root) is None or (found := _list_of(copy := deepcopy(root))) is None:
        return None
    unread: list[UnreadEvent] = []
    for member in [child for child in found if _local(child) == _MEMBER]:
        if len(unread) > _MOST:
            return None
        member.tag = f"{{{OADR}}}{_MEMBER}"
        try:
            decode_rearranged(member, (OadrEvent,))
        except RemoteProtocolError as problem:
            unread.append(_described(member, problem))
            found.remove(member)
    if not unread:
        return None
    try:
        return *decode_rearranged(copy, expected), unread
    except RemoteProtocolError:
        return None


def _list_of(root: etree._Element) -> etree._Element | None:
    """The list of events of a document: its payload, within the envelope or without it."""
    below = (child for above in root for child in above)
    places: Iterable[etree._Element] = chain((root,), root, below)
    return next((el for el in places if _local(el) == _LIST), None)


def partly_read(payload: OadrDistributeEvent, unread: list[UnreadEvent]) -> PartlyRead:
    """The payload with what can be said of the events that are not in it."""
    return PartlyRead(
        schemaVersion=payload.schemaVersion,
        eiResponse=payload.eiResponse,
        requestID=payload.requestID,
        vtnID=payload.vtnID,
        oadrEvent=payload.oadrEvent,
        unread=unread,
    )


def _described(member: etree._Element, problem: RemoteProtocolError) -> UnreadEvent:
    event_id, number = _text(member, "eventID"), _text(member, "modificationNumber")
    status = _text(member, "eventStatus")
    known = bool(event_id) and len(event_id.encode()) <= _LONGEST_ID
    is_number = number.isascii() and number.isdigit() and len(number) < 12 and int(number) <= _LARGEST
    return UnreadEvent(
        id=event_id if known else None,
        modification=int(number) if known and is_number else None,
        status=status if status in EVENT_STATUS else "",
        response_required=_text(member, "oadrResponseRequired") != "never",
        reason=problem.reason,
        bad_values=problem.detail == BAD_VALUES,
    )


def _text(member: etree._Element, name: str) -> str:
    """The text of the only descendant of that name; "" where there is none or more than one."""
    found = [el.text or "" for el in member.iter() if _local(el) == name]
    return found[0].strip() if len(found) == 1 else ""


def _local(el: etree._Element) -> str:
    return etree.QName(el).localname
