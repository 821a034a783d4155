"""What section 7 of IEEE 2030.5 puts into DNS-SD, written and read."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from gridiface.protocols.dnssd.browser import Found
from gridiface.protocols.sep2 import discovery
from gridiface.protocols.sep2.uris import BY_TEMPLATE


def test_txtvers_is_first_and_path_is_in_subtypes_only() -> None:
    base, derp = discovery.instances("Server", 8443, ["derp"])
    assert list(base.text.items()) == [("txtvers", "1"), ("dcap", "/dcap"), ("https", "8443"), ("level", "-S1")]
    assert (base.label, base.subtype) == ("Server", "")
    assert list(derp.text) == ["txtvers", "dcap", "path", "https", "level"]
    assert (derp.label, derp.subtype, derp.text["path"]) == ("Server derp", "derp", "/derp")
    assert discovery.server_text(443)["https"] == ""


def test_every_subtype_leads_to_a_resource_of_the_standard() -> None:
    assert len(discovery.SUBTYPES) == 13
    assert all(path in BY_TEMPLATE for path in discovery.SUBTYPES.values())


def test_end_devices_and_other_function_sets_are_found_on_demand() -> None:
    paths: dict[Any, str] = {167261211391: "/edev/3", 42: "/edev/4", "bill": "/bill"}
    find = discovery.on_demand("Server", 443, paths.get)
    assert discovery.sfdi_subtype(42) == "edev-000000000042"
    for asked, path in (("edev-167261211391", "/edev/3"), (discovery.sfdi_subtype(42), "/edev/4"), ("bill", "/bill")):
        for name in (asked, f"Server {asked}"):
            found = find(name)
            assert found is not None
            assert (found.text["path"], found.subtype, found.label) == (path, asked, f"Server {asked}")
    for unknown in ("edev-5", "edev-", "edev-x", "edev-1234567890123", "tp", "Other bill", "", "edev-²"):
        assert find(unknown) is None


def found(text: dict[str, str | None], addresses: tuple[str, ...] = ("192.0.2.1",)) -> Found:
    return Found("S", "h.site", 80, tuple(ipaddress.ip_address(one) for one in addresses), text)


GOOD: dict[str, str | None] = {"txtvers": "1", "dcap": "/x", "https": "8443", "level": "+S1", "unknown": "ignored"}


def test_a_server_is_where_its_text_says() -> None:
    server = discovery.read_server(found(GOOD))
    assert server is not None
    assert (server.authority, server.dcap, server.level) == ("192.0.2.1:8443", "/x", "+S1")
    quiet = discovery.read_server(found(GOOD | {"level": "-s0"}))
    assert quiet is not None
    assert quiet.level == "-S0"
    for https in (None, ""):
        plain = discovery.read_server(found(GOOD | {"https": https}, ("2001:db8::1",)))
        assert plain is not None
        assert plain.authority == "[2001:db8::1]:443"
    assert discovery.read_server(found(GOOD, ())).authority == "h.site:8443"  # type: ignore[union-attr]  # it is good


@pytest.mark.parametrize(
    "wrong",
    [{"txtvers": "2"}, {"txtvers": None}, {"dcap": "x"}, {"dcap": None}, {"level": ""}, {"level": "S1"},
     {"https": "0"}, {"https": "65536"}, {"https": "a"}],
)  # fmt: skip
def test_a_text_that_is_wrong_is_discarded(wrong: dict[str, str | None]) -> None:
    assert discovery.read_server(found(GOOD | wrong)) is None


def test_a_server_without_https_is_none_of_ours() -> None:
    assert discovery.read_server(found({key: value for key, value in GOOD.items() if key != "https"})) is None
