"""Which chains each listener accepts: the rules as values, and the form of a verdict.

The checks that apply the rules are in `policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gridiface.pki.alerts import Alert
from gridiface.pki.certificate import Certificate
from gridiface.pki.identity import PeerIdentity
from gridiface.pki.profiles import default_profiles

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH.dotted_string

LISTED_EXTENSIONS = frozenset(
    kind.oid.dotted_string
    for kind in (
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectAlternativeName,
        x509.CertificatePolicies,
    )
)
"""Extensions that may be critical (IEEE 2030.5-2018 section 6.11; any other critical one refuses)."""


@dataclass(frozen=True, slots=True)
class ChainRules:
    """What a chain must be.

    Attributes:
        name: for logs.
        max_depth: certificates from the peer's own to the trust anchor, both counted.
        curves: names of permitted elliptic curves.
        rsa_bits: smallest permitted RSA modulus; None permits no RSA key.
        signature_hashes: permitted hashes in signatures.
        policies: of which the peer must carry one; None asks for none.
        purpose: extended key usage that the peer needs where the extension is there, dotted.
        forbid_constraints: whether nameConstraints and policyMappings refuse (COMM-004E, COMM-004F) and an
            extendedKeyUsage on a CA must not be critical (COMM-004D).
        require_key_usage: whether the peer's own certificate must carry keyUsage.
        strict_profile: whether harmless deviations from the certificate profile refuse too.
    """

    name: str
    max_depth: int = 4
    curves: frozenset[str] = frozenset({"secp256r1"})
    rsa_bits: int | None = None
    signature_hashes: frozenset[str] = frozenset({"sha256"})
    policies: frozenset[str] | None = None
    purpose: str = CLIENT_AUTH
    forbid_constraints: bool = True
    require_key_usage: bool = True
    strict_profile: bool = False


@cache
def sep2_rules(*, purpose: str = CLIENT_AUTH, strict_profile: bool = False) -> ChainRules:
    """IEEE 2030.5-2018 section 6.11 and CSIP COMM-004."""
    return ChainRules(
        name="IEEE 2030.5",
        policies=default_profiles().accepted["sep2"],
        purpose=purpose,
        strict_profile=strict_profile,
    )


@cache
def openadr_rules(*, purpose: str = CLIENT_AUTH) -> ChainRules:
    """OpenADR 2.0b section 10 and rule 68: RSA from 2048 bits or EC from 224, no policy asked for."""
    return ChainRules(
        name="OpenADR 2.0b",
        max_depth=6,
        curves=frozenset({"secp224r1", "secp256r1", "secp384r1", "secp521r1"}),
        rsa_bits=2048,
        signature_hashes=frozenset({"sha256", "sha384", "sha512"}),
        purpose=purpose,
        forbid_constraints=False,
    )


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: a short word for logs and counters.
        clause: where the rule is written.
        passed: whether the chain satisfies it.
        detail: one sentence; names the certificate where it failed.
        alert: what TLS tells the peer when this refuses.
        refuses: False for a deviation that is only worth a note.
        certificate: the one that failed.
    """

    name: str
    clause: str
    passed: bool
    detail: str = ""
    alert: Alert = Alert.CERTIFICATE_UNKNOWN
    refuses: bool = True
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a peer may speak.

    Attributes:
        identity: whose chain this is; None only if its own certificate could not be read.
        checks: every check made, in order.
        valid_until: seconds since 1970 UTC; when the first certificate of the path ends.
    """

    identity: PeerIdentity | None
    checks: tuple[Check, ...]
    valid_until: float = 0.0

    @property
    def refusal(self) -> Check | None:
        """The first check that refuses, None if the peer is accepted."""
        return next((check for check in self.checks if not check.passed and check.refuses), None)

    @property
    def accepted(self) -> bool:
        """Whether no check refuses."""
        return self.refusal is None

    @property
    def notes(self) -> tuple[Check, ...]:
        """Deviations from the profile that do not refuse."""
        return tuple(check for check in self.checks if not check.passed and not check.refuses)

    def describe(self) -> str:
        """One line for the log: what failed, the clause, and the certificate's names; no secrets."""
        refusal = self.refusal
        who = f"lfdi={self.identity.lfdi}" if self.identity else "lfdi=?"
        if refusal is None:
            return f"accepted {who}"
        bad = refusal.certificate
        which = f" subject={bad.subject!r} fingerprint={bad.fingerprint}" if bad else ""
        alert = refusal.alert.name.lower()
        return f"refused {who} check={refusal.name} ({refusal.clause}): {refusal.detail}; alert={alert}{which}"
