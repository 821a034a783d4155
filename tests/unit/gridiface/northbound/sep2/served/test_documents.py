"""Durable records of the adapter: what is put is what is opened, and each resource has its space."""

from __future__ import annotations

import pytest

from gridiface.domain.changes import Document
from gridiface.errors import LocalProtocolError
from gridiface.northbound.sep2.served import documents
from gridiface.protocols.sep2 import resources as r


def test_what_is_put_is_what_is_opened() -> None:
    response = r.Response(endDeviceLFDI="AA" * 20, subject="BB" * 16)
    change = documents.put(documents.RESPONSES, "/rsps/1/rsp/1", response, {"b": 2, "a": 1})
    record = documents.open_record(Document(change.space, change.key, change.body))
    assert record.head == {"a": 1, "b": 2}
    assert record.resource(r.Response).subject == "BB" * 16
    assert documents.put_xml("s", "k", record.xml).body == b"{}\n" + record.xml


def test_a_record_without_a_resource_is_its_head_alone() -> None:
    change = documents.put(documents.COUNTERS, "edev", None, {"reserved": 7})
    record = documents.open_record(Document(change.space, change.key, change.body))
    assert (record.head, record.xml) == ({"reserved": 7}, b"")


def test_what_is_damaged_is_named() -> None:
    with pytest.raises(LocalProtocolError, match="sep2/rsp/k is damaged"):
        documents.open_record(Document("sep2/rsp", "k", b"not json\n<x/>"))
    record = documents.open_record(Document("sep2/rsp", "k", b"{}\n<Response"))
    with pytest.raises(LocalProtocolError, match="stored Response k cannot be read"):
        record.resource(r.Response)


@pytest.mark.parametrize(
    ("path", "space"),
    [
        ("/edev/3/lel/9", documents.LOG_EVENTS),
        ("/edev/3/der/1/dercap", documents.DEVICE_INFO),
        ("/edev/3/dstat", documents.DEVICE_INFO),
        ("/edev/3/frq/4", documents.OWN),
        ("/edev/3/frp/4", documents.PUBLISHED),
        ("/edev/3/fsa/a1", documents.ASSIGNMENTS),
        ("/edev/3/fsa/1", None),  # made by the server, not kept
        ("/derp/2/derc/5", documents.CONTROLS),
        ("/derp/2/dderc", documents.DEFAULTS),
        ("/rsps/dr2/rsp/8", documents.RESPONSES),
        ("/rsps/2/rsp", documents.LEFT),
        ("/upt/1/mr/2/rs/3", documents.READING_SETS),
        ("/upt/1/mr/2/rs/3/r/4", None),  # part of its set
        ("/msg/1/txt/2", documents.PUBLISHED),
        ("/dcap", None),
    ],
)
def test_each_resource_that_is_kept_has_its_space(path: str, space: str | None) -> None:
    assert documents.space_of(path) == space
