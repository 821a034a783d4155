from __future__ import annotations

from typing import Any

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served.services import (
    Call,
    bad_value,
    item_of,
    limit_reached,
    program_of,
    record_of,
    still_there,
)
from gridiface.protocols.sep2.resources import DERStatus


def test_refusals_carry_their_reason_code() -> None:
    assert (bad_value("x").answer, bad_value("x").detail) == (400, 1)
    assert (limit_reached("x").answer, limit_reached("x").detail) == (400, 2)


async def test_nodes_are_what_the_route_promised_or_not_there(kit: Any) -> None:
    tree = kit.core.state.tree
    device, programs = tree.get(kit.edev("inv-1")), tree.get("/derp")
    assert record_of(device).device_id == "inv-1"
    assert program_of(tree.get(kit.program("inv-1"))).target.id == "inv-1"
    assert item_of(device) is device
    for ask, node in ((item_of, programs), (record_of, programs), (program_of, device)):
        with pytest.raises(RemoteProtocolError) as caught:
            ask(node)
        assert caught.value.answer == 404


async def test_what_was_removed_meanwhile_is_not_there(kit: Any) -> None:
    services, tree = kit.core.services, kit.core.state.tree
    node = tree.get(kit.edev("inv-1"))
    still_there(services, node)
    tree.remove(node.path)
    with pytest.raises(RemoteProtocolError):
        still_there(services, node)


async def test_what_a_client_stated_and_what_it_did_not(kit: Any) -> None:
    record = kit.core.state.by_device["inv-1"]
    assert kit.core.services.stated(record, "ders") is None
    body = '<DERStatus xmlns="urn:ieee:std:2030.5:ns"><readingTime>7</readingTime></DERStatus>'
    await kit.send("PUT", f"{record.der}/ders", body, by="inv-1")
    assert kit.core.services.stated(record, "ders").readingTime == 7


async def test_a_body_is_read_once_its_type_is_right(kit: Any) -> None:
    body = b'<DERStatus xmlns="urn:ieee:std:2030.5:ns"><readingTime>7</readingTime></DERStatus>'
    call = Call("PUT", None, None, {"content-type": "application/sep+xml"}, body, 5.9)  # type: ignore[arg-type]
    assert call.read(DERStatus, kit.core.services) == DERStatus(readingTime=7)
    assert call.second == 5
    other = Call("PUT", None, None, {"content-type": "text/plain"}, body, 5.9)  # type: ignore[arg-type]
    with pytest.raises(RemoteProtocolError) as caught:
        other.read(DERStatus, kit.core.services)
    assert caught.value.answer == 415
