"""Quality (IEC 61850-7-3 clause 6.2, coded by IEC 61850-8-1 clause 8.1.3.5) and double-point positions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

BITS = 13


class Validity(IntEnum):
    """Whether a value can be used."""

    GOOD = 0
    INVALID = 1
    RESERVED = 2
    QUESTIONABLE = 3


class Position(IntEnum):
    """A double point's states (Dbpos)."""

    INTERMEDIATE = 0
    OFF = 1
    ON = 2
    BAD = 3


_DETAILS = (
    "overflow", "out_of_range", "bad_reference", "oscillatory", "failure", "old_data", "inconsistent", "inaccurate",
    "substituted", "test", "operator_blocked",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quality:
    """Validity, and the names of the bits that are set: overflow, old_data, substituted, test, operator_blocked ..."""

    validity: Validity = Validity.GOOD
    details: frozenset[str] = frozenset()

    @classmethod
    def of(cls, bits: str) -> Quality:
        """From a bit string; bits that are missing at its end count as 0."""
        whole = bits[:BITS].ljust(BITS, "0")
        details = (name for name, bit in zip(_DETAILS, whole[2:], strict=True) if bit == "1")
        return cls(Validity(int(whole[:2], 2)), frozenset(details))

    @property
    def bits(self) -> str:
        """As a bit string."""
        return f"{self.validity:02b}" + "".join("01"[name in self.details] for name in _DETAILS)


def position(bits: str) -> Position | None:
    """A double point's state; None where it is no bit string of two."""
    return Position(int(bits, 2)) if len(bits) == 2 else None
