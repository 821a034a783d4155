"""Names of a peer that follow from its certificate: LFDI, SFDI, PIN check digit, OpenADR fingerprint.

Pure derivations (IEEE 2030.5-2018 section 6.3, OpenADR 2.0b section 10). What a name may do is decided elsewhere: the
role of a client comes from configuration, LFDI by LFDI.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gridiface.errors import ConfigError

LFDI_BYTES = 20
SFDI_MAX = 687194767359
"""The limit of the schema's SFDIType: 36 bits set and a digit; with the right check digit the largest ends in 7."""


def fingerprint(der: bytes) -> bytes:
    """SHA-256 over a DER certificate: 32 bytes."""
    return hashlib.sha256(der).digest()


def lfdi_from_der(der: bytes) -> bytes:
    """The LFDI of a DER certificate: the leftmost 160 bits of its fingerprint, 20 bytes (section 6.3.4)."""
    return fingerprint(der)[:LFDI_BYTES]


def check_digit(number: int) -> int:
    """The digit that makes the sum of all decimal digits a multiple of ten.

    Raises:
        ValueError: `number` is negative.
    """
    if number < 0:
        raise ValueError("a check digit belongs to a number that is not negative")
    return -sum(int(digit) for digit in str(number)) % 10


def sfdi_from_lfdi(lfdi: bytes) -> int:
    """The SFDI of an LFDI: its leftmost 36 bits in decimal, then the check digit (section 6.3.3).

    Raises:
        ValueError: `lfdi` is shorter than 36 bits need.
    """
    if len(lfdi) < 5:
        raise ValueError("an SFDI needs the first 36 bits of an LFDI")
    number = int.from_bytes(lfdi[:5], "big") >> 4
    return number * 10 + check_digit(number)


def sfdi_is_valid(sfdi: int) -> bool:
    """Whether `sfdi` is in range and its check digit is right."""
    return 0 <= sfdi <= SFDI_MAX and check_digit(sfdi // 10) == sfdi % 10


def format_sfdi(sfdi: int) -> str:
    """An SFDI for people: twelve digits in groups of three, `167-261-211-391`.

    Raises:
        ValueError: `sfdi` has more than twelve digits or is negative.
    """
    if not 0 <= sfdi <= 999_999_999_999:
        raise ValueError("an SFDI has at most twelve digits")
    digits = f"{sfdi:012d}"
    return "-".join(digits[place : place + 3] for place in range(0, 12, 3))


def format_lfdi(lfdi: bytes) -> str:
    """An LFDI for people and for files: 40 upper-case hexadecimal digits."""
    return lfdi.hex().upper()


def parse_lfdi(text: str) -> bytes:
    """An LFDI from text: hexadecimal in either case; hyphens, colons and blanks are taken as separators.

    Raises:
        ConfigError: the text is not 20 bytes of hexadecimal.
    """
    digits = "".join(text.split()).replace("-", "").replace(":", "")
    try:
        lfdi = bytes.fromhex(digits)
    except ValueError:
        lfdi = b""
    if len(lfdi) != LFDI_BYTES:
        raise ConfigError(f"{text!r} is not an LFDI: 40 hexadecimal digits are wanted")
    return lfdi


def make_pin(number: int) -> int:
    """A registration PIN from five digits: 11111 gives 111115.

    Raises:
        ValueError: `number` has more than five digits or is negative.
    """
    if not 0 <= number <= 99_999:
        raise ValueError("a PIN is made of five digits and a check digit")
    return number * 10 + check_digit(number)


def pin_is_valid(pin: int) -> bool:
    """Whether `pin` has at most six digits, the last being the check digit of the others."""
    return 0 <= pin <= 999_999 and check_digit(pin // 10) == pin % 10


@functools.lru_cache(4096)
def openadr_fingerprint(der: bytes) -> str:
    """OpenADR's name of a certificate: the last ten bytes of its fingerprint, `AA:BB:...`, 29 characters."""
    return fingerprint(der)[-10:].hex(":").upper()


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who is at the other end of a connection, after its chain was accepted.

    Attributes:
        lfdi: 40 upper-case hexadecimal digits.
        sfdi: with its check digit.
        fingerprint: SHA-256 of the certificate, 64 upper-case hexadecimal digits.
        subject: RFC 4514 text; empty for a device certificate.
        chain: DER certificates as judged, the peer's own first.
        policies: certificate policy identifiers of the peer's own certificate, dotted.
    """

    lfdi: str
    sfdi: int
    fingerprint: str
    subject: str
    chain: tuple[bytes, ...]
    policies: tuple[str, ...] = ()

    @property
    def openadr_fingerprint(self) -> str:
        """The name that OpenADR gives this peer's certificate."""
        return openadr_fingerprint(self.chain[0])


def identify(chain: Sequence[bytes], *, subject: str = "", policies: Sequence[str] = ()) -> PeerIdentity:
    """The identity of the peer whose chain (own certificate first) this is.

    Raises:
        ValueError: the chain is empty.
    """
    if not chain:
        raise ValueError("an identity needs at least the peer's own certificate")
    lfdi = lfdi_from_der(chain[0])
    return PeerIdentity(
        lfdi=format_lfdi(lfdi),
        sfdi=sfdi_from_lfdi(lfdi),
        fingerprint=fingerprint(chain[0]).hex().upper(),
        subject=subject,
        chain=tuple(chain),
        policies=tuple(policies),
    )
