"""The Responses to an event of the server: who wants which, and where they go."""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.domain.changes import Change
from gridiface.northbound.sep2.translate.answers import wants_response
from gridiface.northbound.sep2.upstream.bindings import Binding
from gridiface.northbound.sep2.upstream.mailbox import RESPONSE, Letter, Mailbox
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.followed import Followed
from gridiface.protocols.sep2.resources import DERControlResponse
from gridiface.protocols.xmlwire import encode


def write_responses(
    mailbox: Mailbox,
    client: Client,
    binding: Binding,
    followed: Followed | None,
    statuses: Iterable[ResponseStatus],
    at: int,
) -> tuple[list[Letter], list[Change]]:
    """Write what is to be answered; nothing where the server says no place for it, or does not ask for that status.

    Args:
        mailbox: takes the letters, which are sealed when the changes are durable.
        client: knows the places of the server.
        binding: whose event.
        followed: the event; None when it is not followed any more.
        statuses: what happened, in order.
        at: createdDateTime, by the server's clock.
    """
    letters: list[Letter] = []
    changes: list[Change] = []
    event = None if followed is None else followed.event
    href = None if event is None or event.replyTo is None else client.tree.resolve(event.replyTo)
    if event is None or href is None:
        return letters, changes
    for status in statuses:
        if not wants_response(event.responseRequired, status):
            continue
        body = DERControlResponse(
            createdDateTime=at, endDeviceLFDI=binding.lfdi, status=int(status), subject=binding.mrid
        )
        letter, change = mailbox.write(RESPONSE, href, encode(body))
        letters.append(letter)
        changes.append(change)
    return letters, changes
