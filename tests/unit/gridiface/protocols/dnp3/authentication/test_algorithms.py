"""Primitives against the vectors that their own standards publish (RFC 2202, 3394, 4231; NIST SP 800-38D)."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.application import FunctionCode
from gridiface.protocols.dnp3.authentication.algorithms import (
    AuthenticationSettings,
    KeyChangeMethod,
    KeyWrap,
    MacAlgorithm,
    Purpose,
    SessionKeys,
    Statistic,
    User,
    mac,
    same,
    unwrap,
    wrap,
)

JEFE = (b"Jefe", b"what do ya want for nothing?", Purpose.REPLY, 1, 1)


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (MacAlgorithm.HMAC_SHA_1_4, "effcdf6a"),
        (MacAlgorithm.HMAC_SHA_1_8, "effcdf6ae5eb2fa2"),
        (MacAlgorithm.HMAC_SHA_1_10, "effcdf6ae5eb2fa2d274"),
        (MacAlgorithm.HMAC_SHA_256_8, "5bdcc146bf60754e"),
        (MacAlgorithm.HMAC_SHA_256_16, "5bdcc146bf60754e6a042426089575c7"),
    ],
)
def test_macs_are_the_published_ones_cut_short(algorithm, expected):
    code = mac(algorithm, *JEFE)
    assert code.hex() == expected
    assert algorithm.octets == len(code)


def test_gmac_is_gcm_without_plaintext_and_a_vector_per_purpose():
    key = bytes(16)
    assert AESGCM(key).encrypt(bytes(12), b"", b"").hex() == "58e2fccefa7e3061367f1d57a4e7455a"
    code = mac(MacAlgorithm.AES_GMAC_12, key, b"data", Purpose.REPLY, 7, 2)
    vector = b"RPLY" + bytes.fromhex("02000000 07000000")
    assert code == AESGCM(key).encrypt(vector, b"", b"data")[:12]
    others = {mac(MacAlgorithm.AES_GMAC_12, key, b"data", purpose, 7, 2) for purpose in Purpose}
    assert len(others) == len(Purpose)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
        (32, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
    ],
)
def test_key_wrap_of_rfc_3394(key, expected):
    data = bytes.fromhex("00112233445566778899aabbccddeeff")
    wrapped = wrap(bytes(range(key)), data)
    assert wrapped.hex() == expected
    assert unwrap(bytes(range(key)), wrapped) == data
    assert unwrap(bytes(key), wrapped) is None
    assert unwrap(bytes(range(key)), wrapped[:-1]) is None
    assert unwrap(bytes(range(key)), b"") is None


def test_no_algorithm_makes_no_mac():
    with pytest.raises(LocalProtocolError):
        mac(MacAlgorithm.NONE, *JEFE)


def test_equality():
    assert same(b"ab", b"ab")
    assert not same(b"ab", b"abc")


@pytest.mark.parametrize(
    "wrong",
    [
        {"mac": MacAlgorithm.HMAC_SHA_1_10},
        {"mac": MacAlgorithm.NONE},
        {"challenge_octets": 3},
        {"authority_key": b"short"},
    ],
)
def test_weak_settings_are_refused(wrong):
    with pytest.raises(LocalProtocolError):
        AuthenticationSettings(**wrong)


def test_a_weaker_algorithm_is_never_agreed_to():
    settings = AuthenticationSettings(mac=MacAlgorithm.AES_GMAC_12)
    permitted = {algorithm for algorithm in range(10) if settings.permits(algorithm)}
    assert permitted == {MacAlgorithm.AES_GMAC_12, MacAlgorithm.HMAC_SHA_256_16}
    legacy = AuthenticationSettings(mac=MacAlgorithm.HMAC_SHA_1_8, allow_sha_1=True)
    assert legacy.permits(MacAlgorithm.HMAC_SHA_1_10)


def test_roles():
    operator, viewer, engineer = (User(2, "x", b"", role) for role in (1, 0, 2))
    assert operator.may(FunctionCode.DIRECT_OPERATE, 0)
    assert not operator.may(FunctionCode.WRITE, 0)
    assert engineer.may(FunctionCode.OPEN_FILE, 0)
    assert not engineer.may(FunctionCode.SELECT, 0)
    assert viewer.may(FunctionCode.READ, 0)
    assert not viewer.may(FunctionCode.COLD_RESTART, 0)
    assert not User(3, "y", b"", 99).may(FunctionCode.READ, 0)
    assert not User(3, "y", b"", expires_at=5.0).may(FunctionCode.READ, 5.0)


def test_keys_end_by_time_and_by_count():
    assert SessionKeys(b"", b"", 10.0, 1).alive(9.9)
    assert not SessionKeys(b"", b"", 10.0, 1).alive(10.0)
    assert not SessionKeys(b"", b"", 10.0, 0).alive(1.0)


def test_secrets_do_not_show():
    shown = repr(
        (
            User(1, "u", b"secret"),
            SessionKeys(b"secret", b"secret", 1, 1),
            AuthenticationSettings(authority_key=b"s" * 16),
        )
    )
    assert "secret" not in shown
    assert "ssss" not in shown


def test_lengths_and_thresholds():
    assert [item.key_octets for item in (*KeyWrap, *KeyChangeMethod)] == [16, 32, 16, 32, 32]
    settings = AuthenticationSettings(thresholds={Statistic.SUCCESSES: 7})
    assert [
        settings.threshold(item) for item in (Statistic.SUCCESSES, Statistic.REPLY_TIMEOUTS, Statistic.MESSAGES_SENT)
    ] == [7, 1, 100]
