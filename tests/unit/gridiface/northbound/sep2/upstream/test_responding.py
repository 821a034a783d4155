"""Responses are written for who asks for them, to where the server says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gridiface.northbound.sep2.upstream.bindings import Binding
from gridiface.northbound.sep2.upstream.responding import write_responses
from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.resources import DERControlResponse
from gridiface.protocols.xmlwire import decode

Make = Callable[..., Any]
STATUSES = (ResponseStatus.RECEIVED, ResponseStatus.STARTED, ResponseStatus.OPTED_OUT)


@pytest.mark.parametrize(
    ("wanted", "reply_to", "statuses"),
    [
        ("01", "/rsps/1/rsp", [1]),
        ("03", "/rsps/1/rsp", [1, 2, 4]),
        ("07", "/rsps/1/rsp", [1, 2, 4]),
        ("00", "/rsps/1/rsp", []),
        (None, "/rsps/1/rsp", []),
        ("07", None, []),
    ],
)
async def test_what_is_written(
    make_stage: Make, event: Make, wanted: str | None, reply_to: str | None, statuses: list[int]
) -> None:
    stage = await make_stage()
    stage.server.controls = [event(stage.clock.now() + 30)]
    await stage.run(5)
    (lfdi, mrid) = next(iter(stage.session.book.bindings.known))
    followed = stage.session.client.devices[lfdi].follower.events[mrid]
    bits = None if wanted is None else int(wanted, 16)
    followed.event = replace(followed.event, responseRequired=bits, replyTo=reply_to)
    letters, changes = write_responses(
        stage.session.mailbox, stage.session.client, Binding(lfdi=lfdi, mrid=mrid), followed, STATUSES, 77
    )
    bodies = [decode(letter.body, DERControlResponse) for letter in letters]
    assert [body.status for body in bodies] == statuses
    assert all((body.createdDateTime, body.endDeviceLFDI, body.subject) == (77, lfdi, mrid) for body in bodies)
    assert len(changes) == len(letters)


async def test_nothing_is_written_of_what_is_not_followed(make_stage: Make) -> None:
    stage = await make_stage()
    assert write_responses(
        stage.session.mailbox, stage.session.client, Binding(lfdi="AA", mrid="BB"), None, STATUSES, 77
    ) == ([], [])
