"""Nonces of signed messages."""

from __future__ import annotations

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.replay import NonceMemory

NOW = 1_000_000.0


def test_46_a_nonce_is_good_once_per_signer_and_within_the_window():
    nonces = NonceMemory(window=30)
    nonces.use("A", "n", NOW - 30, NOW)
    nonces.use("B", "n", NOW, NOW)
    nonces.use("A", "m", NOW + 30, NOW)
    for signer, nonce, stamp in (("A", "n", NOW), ("A", "x", NOW - 31), ("A", "x", NOW + 31), ("A", "", NOW)):
        with pytest.raises(RemoteProtocolError) as refused:
            nonces.use(signer, nonce, stamp, NOW)
        assert refused.value.answer == 403
    with pytest.raises(RemoteProtocolError):
        nonces.use("A", "x" * 300, NOW, NOW)


def test_46_nonces_outlive_a_restart():
    nonces = NonceMemory()
    nonces.use("A", "n", NOW, NOW)
    store = {change.key: change.body for change in nonces.take_changes()}
    again = NonceMemory()
    again.load({**store, "ven/x": b"{}"})
    with pytest.raises(RemoteProtocolError):
        again.use("A", "n", NOW, NOW + 1)


def test_old_nonces_are_forgotten_in_the_store_too():
    nonces = NonceMemory(window=10)
    nonces.use("A", "old", NOW, NOW)
    nonces.take_changes()
    nonces.use("A", "new", NOW + 60, NOW + 60)
    changes = {change.key: change.body for change in nonces.take_changes()}
    assert changes["nonce/A/old"] is None
    assert "nonce/A/new" in changes


def test_a_clock_that_was_ahead_fills_no_memory_and_lets_nothing_be_sent_again():
    nonces = NonceMemory(window=10, most=30)
    for ahead in range(5):
        nonces.use("A", f"ahead-{ahead}", NOW + 3600, NOW + 3600)
    for second in range(600):
        nonces.use("A", f"n{second}", NOW + second, NOW + second)
    kept = {change.key for change in nonces.take_changes() if change.body is not None}
    assert len(kept) <= 5 + 11
    restarted = NonceMemory(window=10, most=30)
    restarted.load(dict.fromkeys(kept, repr(NOW + 3600).encode()))
    for memory in (nonces, restarted):
        with pytest.raises(RemoteProtocolError, match="received before"):
            memory.use("A", "ahead-3", NOW + 3600, NOW + 3600)


def test_what_was_taken_back_is_forgotten_once():
    nonces = NonceMemory(window=10)
    nonces.use("A", "n", NOW, NOW)
    nonces.revert(nonces.take_changes())
    nonces.use("A", "n", NOW + 5, NOW + 5)
    nonces.use("A", "m", NOW + 12, NOW + 12)  # The first one is too old now, the second is not.
    with pytest.raises(RemoteProtocolError, match="received before"):
        nonces.use("A", "n", NOW + 5, NOW + 12)


def test_a_nonce_that_could_not_be_stored_can_come_again():
    nonces = NonceMemory()
    nonces.use("A", "n", NOW, NOW)
    nonces.revert(nonces.take_changes())
    nonces.use("A", "n", NOW, NOW)


def test_a_flood_is_refused_instead_of_forgetting():
    nonces = NonceMemory(most=2)
    nonces.use("A", "1", NOW, NOW)
    nonces.use("A", "2", NOW, NOW)
    with pytest.raises(RemoteProtocolError) as refused:
        nonces.use("A", "3", NOW, NOW)
    assert refused.value.answer == 503
