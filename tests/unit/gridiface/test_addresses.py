"""How far addresses reach, alike under every Python."""

from __future__ import annotations

import pytest

from gridiface.addresses import Scope, scope_of


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("8.8.8.8", Scope.GLOBAL),
        ("2a00:1450::1", Scope.GLOBAL),
        ("10.1.2.3", Scope.PRIVATE),
        ("192.0.2.1", Scope.PRIVATE),
        ("fd00::1", Scope.PRIVATE),
        ("127.9.9.9", Scope.LOOPBACK),
        ("::1", Scope.LOOPBACK),
        ("::ffff:127.0.0.1", Scope.LOOPBACK),
        ("169.254.169.254", Scope.NONE),
        ("fe80::1%eth0", Scope.NONE),
        ("224.0.0.1", Scope.NONE),
        ("ff02::1", Scope.NONE),
        ("0.0.0.0", Scope.NONE),
        ("::", Scope.NONE),
        ("100.64.0.1", Scope.NONE),  # shared by a carrier's customers
        ("grid.example", Scope.NONE),
        ("", Scope.NONE),
        # What Python's versions judge otherwise.
        ("2002:808:808::1", Scope.GLOBAL),
        ("2002:a00:1::1", Scope.PRIVATE),
        ("2002:a9fe:a9fe::1", Scope.NONE),
        ("64:ff9b::808:808", Scope.GLOBAL),
        ("64:ff9b::a9fe:a9fe", Scope.NONE),
        ("64:ff9b::7f00:1", Scope.LOOPBACK),
        ("64:ff9b:1::808:808", Scope.PRIVATE),
        ("::a00:1", Scope.PRIVATE),
        ("2001::1", Scope.PRIVATE),
        ("2001:1::1", Scope.PRIVATE),
        ("2001:20::1", Scope.PRIVATE),
        ("3fff::1", Scope.PRIVATE),
    ],
)
def test_scopes(address: str, scope: Scope) -> None:
    assert scope_of(address) is scope
