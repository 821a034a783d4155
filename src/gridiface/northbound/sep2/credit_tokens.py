"""What verifies a prepayment token: the port of whoever knows the token's own rules.

The standard leaves a token's content, and how a server handles it, to others (IEEE 2030.5-2018, CreditRegister.token).
So this server verifies none by itself: the utility and the operator vouch for the credits that they write, and a device
can add one only where a verifier is configured, which says yes or no before anything is stored. Verifiers are found by
the entry point group `gridiface.credit_tokens`: a callable without arguments that gives a `TokenVerifier`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOffer:
    """A credit that a device claims.

    Attributes:
        token: at most 32 octets, as posted.
        amount: of the credit, in `monetary_unit`.
        monetary_unit: number of ISO 4217, or 0.
        energy_wh: energyUnit, where the credit is stated in energy; None: it is money.
        credit_type: 0 regular, 1 emergency; None: not stated.
        effective: when it takes effect, s since 1970.
        lfdi: of the client that posts it.
        prepayment: mRID of the prepaid supply.
    """

    token: str
    amount: float
    monetary_unit: int
    energy_wh: float | None
    credit_type: int | None
    effective: int
    lfdi: str
    prepayment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVerdict:
    """What a verifier says; `reason` is for the log of a refusal."""

    accepted: bool
    reason: str = ""


class TokenVerifier(Protocol):
    """Knows which tokens are good."""

    async def verify(self, offer: TokenOffer) -> TokenVerdict:
        """Whether the token is good for this credit; asked once at a time per supply.

        A verifier that remembers used tokens must say yes again to the same offer: the credit may not have been
        stored after it was asked. What it raises, or not answering in time, is "not now": nothing is stored.
        """
        ...
