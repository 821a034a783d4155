"""Where the server lets itself be sent to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.wire.notification_target import TargetRules, allowed_address, check_target

PEER = "93.184.216.34"
RULES = TargetRules(hosts=frozenset({"aggregator.example", "10.0.0.7"}))


@pytest.mark.parametrize(
    "uri",
    [
        f"https://{PEER}/ntfy",
        f"https://{PEER}:8443/a?b=c",
        "https://aggregator.example:1024/",
        "https://Aggregator.Example",
    ],
)
def test_the_subscriber_itself_and_named_hosts_are_taken(uri: str) -> None:
    check_target(uri, PEER, RULES)


@pytest.mark.parametrize(
    "uri",
    [
        f"http://{PEER}/ntfy", "/ntfy", "", "https://", "ftp://x/", "https://8.8.8.8/", "https://other.example/",
        f"https://{PEER}:22/", f"https://{PEER}:0/", f"https://{PEER}:99999/", f"https://{PEER}:x/",
        f"https://user@{PEER}/", f"https://u:p@{PEER}/", f"https://{PEER}/#f", "https://[::1/", f"https://{PEER}/a b",
        "https://127.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://[fe80::1]/", "https://0.0.0.0/",
        "https://[::ffff:127.0.0.1]/", "https://10.0.0.7/", f"https://{PEER}/" + "x" * 2000, "https://ä.example/",
    ],
)  # fmt: skip
def test_everything_else_is_refused_with_values(uri: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        check_target(uri, PEER, RULES)
    assert (refused.value.answer, refused.value.detail) == (400, 1)


@pytest.mark.parametrize(
    ("address", "private", "loopback", "allowed"),
    [
        ("8.8.8.8", False, False, True), ("10.1.2.3", False, False, False), ("10.1.2.3", True, False, True),
        ("127.0.0.1", True, False, False), ("127.0.0.1", False, True, True), ("fd00::1", True, False, True),
        ("fe80::1%eth0", True, True, False), ("224.0.0.1", True, True, False), ("::ffff:127.0.0.1", True, False, False),
        ("169.254.1.1", True, True, False), ("nonsense", True, True, False), ("0.0.0.0", True, True, False),
        ("64:ff9b::a9fe:a9fe", True, True, False), ("64:ff9b::a00:1", False, False, False),
        ("64:ff9b::808:808", False, False, True),
        ("2002:7f00:1::", True, False, False), ("2002:808:808::1", False, False, True),
        ("::7f00:1", True, False, False),
        ("::1", False, True, True), ("::", True, True, False),
    ],
)  # fmt: skip
def test_addresses(address: str, private: bool, loopback: bool, allowed: bool) -> None:
    assert allowed_address(address, TargetRules(private_addresses=private, loopback=loopback)) is allowed


def test_a_private_peer_is_taken_where_private_addresses_are() -> None:
    uri = "https://192.168.1.9:8443/n"
    check_target(uri, "192.168.1.9", TargetRules(private_addresses=True))
    with pytest.raises(RemoteProtocolError):
        check_target(uri, "192.168.1.9", TargetRules())
    with pytest.raises(RemoteProtocolError):
        check_target(uri, "", TargetRules(private_addresses=True))


def test_plain_http_is_for_trials() -> None:
    uri = "http://192.0.2.9:9000/n"
    with pytest.raises(RemoteProtocolError):
        check_target(uri, "192.0.2.9", replace(RULES, private_addresses=True))
    check_target(uri, "192.0.2.9", replace(RULES, private_addresses=True, plain=True))
    for wrong in ("ftp://192.0.2.9/n", "http://192.0.2.9:443/n", "http://192.0.2.10/n"):
        with pytest.raises(RemoteProtocolError):
            check_target(wrong, "192.0.2.9", replace(RULES, private_addresses=True, plain=True))
