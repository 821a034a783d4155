from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import ConfigError
from gridiface.pki import identity

# The worked example of IEEE 2030.5-2018 section 6.3.
LFDI = bytes.fromhex("3E4F45AB31EDFE5B67E343E5E4562E31984E23E5")
SFDI = 167261211391


def test_the_worked_example_of_the_standard() -> None:
    assert identity.sfdi_from_lfdi(LFDI) == SFDI
    assert identity.format_sfdi(SFDI) == "167-261-211-391"
    assert identity.sfdi_is_valid(SFDI)


def test_the_names_of_a_widely_used_sample_certificate() -> None:
    lfdi = bytes.fromhex("0671C144D27DC9E612AFE7DC6C79EC089ED3DCC5")
    assert identity.sfdi_from_lfdi(lfdi) == 17298934539
    assert identity.format_sfdi(17298934539) == "017-298-934-539"


@pytest.mark.parametrize(("number", "pin"), [(11111, 111115), (12345, 123455), (99999, 999995), (42, 424), (0, 0)])
def test_worked_pins(number: int, pin: int) -> None:
    assert identity.make_pin(number) == pin
    assert identity.pin_is_valid(pin)


@pytest.mark.parametrize("pin", [111114, 1_000_000, -5])
def test_wrong_pins(pin: int) -> None:
    assert not identity.pin_is_valid(pin)


def test_the_largest_sfdi() -> None:
    largest = identity.sfdi_from_lfdi(b"\xff" * 20)
    assert largest == 687194767357 <= identity.SFDI_MAX
    assert identity.sfdi_is_valid(largest)
    assert not identity.sfdi_is_valid(identity.SFDI_MAX)
    assert not identity.sfdi_is_valid(687194767364)


@given(st.binary(min_size=5, max_size=20))
def test_every_sfdi_is_valid_and_its_digits_sum_to_a_multiple_of_ten(lfdi: bytes) -> None:
    sfdi = identity.sfdi_from_lfdi(lfdi)
    assert identity.sfdi_is_valid(sfdi)
    assert sum(int(digit) for digit in str(sfdi)) % 10 == 0
    assert sfdi // 10 == int.from_bytes(lfdi[:5], "big") >> 4


@given(st.binary(max_size=100))
def test_lfdi_and_fingerprints_follow_from_sha_256(der: bytes) -> None:
    digest = hashlib.sha256(der).digest()
    assert identity.lfdi_from_der(der) == digest[:20]
    printed = identity.openadr_fingerprint(der)
    assert len(printed) == 29
    assert bytes.fromhex(printed.replace(":", "")) == digest[-10:]
    peer = identity.identify([der], subject="CN=x", policies=["1.2"])
    assert (peer.lfdi, peer.fingerprint) == (digest[:20].hex().upper(), digest.hex().upper())
    assert peer.openadr_fingerprint == printed


@pytest.mark.parametrize(
    "text", ["3e4f45ab31edfe5b67e343e5e4562e31984e23e5", "3E4F-45AB 31ED:FE5B67E343E5E4562E31984E23E5"]
)
def test_an_lfdi_is_read_in_the_forms_people_write(text: str) -> None:
    assert identity.parse_lfdi(text) == LFDI
    assert identity.format_lfdi(LFDI) == LFDI.hex().upper()


@pytest.mark.parametrize("text", ["", "3E4F", "zz" * 20, "00" * 21])
def test_other_text_is_not_an_lfdi(text: str) -> None:
    with pytest.raises(ConfigError, match="not an LFDI"):
        identity.parse_lfdi(text)


@pytest.mark.parametrize(
    "call",
    [
        lambda: identity.check_digit(-1),
        lambda: identity.sfdi_from_lfdi(b"1234"),
        lambda: identity.format_sfdi(10**12),
        lambda: identity.make_pin(100_000),
        lambda: identity.identify([]),
    ],
)
def test_values_out_of_range_are_errors(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"digit|bits|certificate"):
        call()
