from __future__ import annotations

import resource
from ipaddress import ip_network

import pytest

from gridiface.northbound.tls_limits import Caps, Deadlines, Throttle, address_key, is_among


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(host: str, key: str) -> None:
    assert address_key(host) == key


def test_a_flood_passes_only_in_part_and_is_counted() -> None:
    throttle = Throttle(3)
    assert [throttle.passes(10.0 + place / 10) for place in range(5)] == [True, True, True, False, False]
    assert throttle.passes(11.0)
    assert throttle.take_dropped() == 2
    assert throttle.take_dropped() == 0


def test_the_total_leaves_descriptors_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 5000))
    assert Caps(total=10_000, reserved_descriptors=100).usable_total() == 900
    assert Caps(total=50).usable_total() == 50
    assert Caps(total=50, reserved_descriptors=2000).usable_total() == 1
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    assert Caps(total=10_000).usable_total() == 10_000


def test_an_aggregator_may_have_its_own_cap() -> None:
    caps = Caps(per_identity=2, identities={"A" * 40: 50})
    assert (caps.of_identity("A" * 40), caps.of_identity("B" * 40)) == (50, 2)


def test_deadlines_are_looked_at_often_enough() -> None:
    assert Deadlines().step == 1.0
    assert Deadlines(header=0.4).step == pytest.approx(0.1)
    assert Deadlines(header=0.0001).step == 0.01


def test_slow_peers_are_gone_within_fifteen_seconds_by_default() -> None:
    default = Deadlines()
    assert max(default.handshake, default.header, default.body, default.write) + default.step <= 15


def test_an_address_is_among_networks() -> None:
    networks = [ip_network("192.0.2.0/24"), ip_network("fe80::/10")]
    for inside in ("192.0.2.7", "::ffff:192.0.2.7", "fe80::1%eth0"):
        assert is_among(inside, networks)
    for outside in ("192.0.3.7", "::ffff:192.0.3.7", "2001:db8::1", "", "a.name", "/a/path"):
        assert not is_among(outside, networks)
    assert not is_among("192.0.2.7", [])
