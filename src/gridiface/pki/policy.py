"""Our own judgement of a peer's certificate chain, made before its first request is read.

OpenSSL, at the security level that the mandatory cipher suite forces upon us, lets pass what IEEE 2030.5 and CSIP
refuse: foreign curves and RSA keys, SHA-1, missing policies, name constraints, policy mappings, a critical extended key
usage on a CA. So the chain is judged here from its DER, whole: path, signatures, validity, revocation, profile. One
function per rule; the table CHECKS is the order, and the order decides which alert a peer sees that breaks several.

Pure: time and revocations are arguments. Clauses: "6.11" is IEEE 2030.5-2018, "COMM" the CSIP conformance procedures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from cryptography import x509

from gridiface.pki.alerts import Alert
from gridiface.pki.certificate import Certificate, CertificateMalformed, parse_certificate
from gridiface.pki.identity import PeerIdentity, identify
from gridiface.pki.path import Gap, Path, build_path
from gridiface.pki.profile_notes import authority_notes, profile_notes
from gridiface.pki.profiles import ANY_POLICY
from gridiface.pki.revocation import Revocation
from gridiface.pki.rules import LISTED_EXTENSIONS, ChainRules, Check, Verdict

MAX_PRESENTED = 10
MAX_CERTIFICATE_BYTES = 16 * 1024
_ANY_EKU = x509.oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string


@dataclass(frozen=True, slots=True)
class _Case:
    path: Path
    rules: ChainRules
    revocation: Revocation
    now: float

    @property
    def leaf(self) -> Certificate:
        return self.path.certificates[0]

    @property
    def below_anchor(self) -> tuple[Certificate, ...]:
        """Everything that was presented: the path without its trust anchor."""
        return self.path.certificates[:-1] if self.path.gap is None else self.path.certificates

    @property
    def authorities(self) -> tuple[Certificate, ...]:
        return self.path.certificates[1:]


_Failures = Iterator[tuple[str, Certificate]]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One row of the table: what a failure is called, where it is written, what TLS says, and who finds it."""

    name: str
    clause: str
    alert: Alert
    find: Callable[[_Case], _Failures]


_GAP_ALERTS = {Gap.BAD_SIGNATURE: Alert.BAD_CERTIFICATE}


def _too_deep(case: _Case) -> _Failures:
    if len(case.path.certificates) > case.rules.max_depth:
        yield f"the chain has {len(case.path.certificates)} certificates, {case.rules.max_depth} at most", case.leaf


def _signature_algorithm(case: _Case) -> _Failures:
    for item in case.below_anchor:
        if item.signature_hash not in case.rules.signature_hashes:
            yield f"the signature uses {item.signature_hash}", item


def _expired(case: _Case) -> _Failures:
    for item in case.path.certificates:
        if case.now > item.not_after:
            yield "its validity has ended", item


def _not_yet_valid(case: _Case) -> _Failures:
    for item in case.path.certificates:
        if case.now < item.not_before:
            yield "its validity has not begun", item


def _revoked(case: _Case) -> _Failures:
    path = case.path.certificates
    for place, item in enumerate(path):
        reason = case.revocation.reason(item, path[place + 1] if place + 1 < len(path) else None)
        if reason is not None:
            yield f"it is revoked ({reason})", item


def _version(case: _Case) -> _Failures:
    for item in case.below_anchor:
        if item.parsed.version is not x509.Version.v3:
            yield "it is not an X.509 version 3 certificate", item


def _key_kind(case: _Case) -> _Failures:
    for item in case.path.certificates:
        bits = item.key_kind.removeprefix("rsa-")
        if item.key_kind in case.rules.curves:
            continue
        rsa = case.rules.rsa_bits is not None and bits != item.key_kind
        if not (rsa and int(bits) >= (case.rules.rsa_bits or 0)):
            yield f"its key is {item.key_kind}", item


def _issuer_not_ca(case: _Case) -> _Failures:
    for item in case.authorities:
        if not item.is_ca:
            yield "it issued a certificate and is not a CA", item


def _no_cert_sign(case: _Case) -> _Failures:
    for item in case.authorities:
        usage = item.extension(x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            yield "it issued a certificate and its keyUsage lacks keyCertSign", item


def _path_length(case: _Case) -> _Failures:
    below = 0
    for item in case.authorities:
        constraints = item.extension(x509.BasicConstraints)
        limit = constraints.path_length if constraints is not None else None
        if limit is not None and below > limit:
            yield f"{below} CAs are below it, its pathLenConstraint is {limit}", item
        if not item.is_self_issued:
            below += 1


def _peer_is_ca(case: _Case) -> _Failures:
    if case.leaf.is_ca:
        yield "the peer shows a CA certificate as its own", case.leaf


def _key_usage(case: _Case) -> _Failures:
    usage = case.leaf.extension(x509.KeyUsage)
    if usage is None:
        if case.rules.require_key_usage:
            yield "it has no keyUsage", case.leaf
    elif not usage.digital_signature:
        yield "its keyUsage lacks digitalSignature", case.leaf


def _wrong_eku(case: _Case) -> _Failures:
    for item in case.below_anchor:
        usage = item.extension(x509.ExtendedKeyUsage)
        if usage is None:
            continue
        named = {purpose.dotted_string for purpose in usage}
        if not named & {case.rules.purpose, _ANY_EKU}:
            yield f"its extendedKeyUsage permits only {', '.join(sorted(named))}", item


def _critical_eku(case: _Case) -> _Failures:
    if case.rules.forbid_constraints:
        for item in case.authorities:
            if item.is_critical(x509.ExtendedKeyUsage):
                yield "a CA certificate has a critical extendedKeyUsage", item


def _name_constraints(case: _Case) -> _Failures:
    if case.rules.forbid_constraints:
        yield from _bearing(case, x509.NameConstraints.oid.dotted_string, "nameConstraints")


def _policy_mappings(case: _Case) -> _Failures:
    if case.rules.forbid_constraints:
        yield from _bearing(case, "2.5.29.33", "policyMappings")


def _bearing(case: _Case, oid: str, word: str) -> _Failures:
    for item in case.path.certificates:
        if oid in item.extensions:
            yield f"it has {word}", item


def _unknown_critical(case: _Case) -> _Failures:
    for item in case.path.certificates:
        for oid, extension in item.extensions.items():
            tolerated = not case.rules.forbid_constraints and oid == x509.NameConstraints.oid.dotted_string
            if extension.critical and oid not in LISTED_EXTENSIONS and not tolerated:
                yield f"its critical extension {oid} is not understood", item


def _no_policy(case: _Case) -> _Failures:
    if case.rules.policies is not None and not case.leaf.policies:
        yield "it has no certificatePolicies", case.leaf


def _wrong_policy(case: _Case) -> _Failures:
    accepted = case.rules.policies
    if accepted is None or not case.leaf.policies:
        return
    usable = accepted & set(case.leaf.policies)
    if not usable:
        yield f"none of its policies {', '.join(case.leaf.policies)} is accepted", case.leaf
    for item in case.below_anchor[1:]:
        # A CA that names policies lends only those to what is below it (RFC 5280 section 6.1.3 d).
        if item.policies and ANY_POLICY not in item.policies and not usable & set(item.policies):
            yield "its policies do not cover those of the certificate below it", item


CHECKS: tuple[_Rule, ...] = (
    _Rule("signature-algorithm", "6.11.2 ecdsa-with-SHA256", Alert.UNSUPPORTED_CERTIFICATE, _signature_algorithm),
    _Rule("key", "6.11.2 P-256", Alert.UNSUPPORTED_CERTIFICATE, _key_kind),
    _Rule("expired", "RFC 5280 6.1.3 (a)(2)", Alert.CERTIFICATE_EXPIRED, _expired),
    _Rule("not-yet-valid", "RFC 5280 6.1.3 (a)(2)", Alert.CERTIFICATE_EXPIRED, _not_yet_valid),
    _Rule("revoked", "RFC 5280 6.1.3 (a)(3)", Alert.CERTIFICATE_REVOKED, _revoked),
    _Rule("version", "RFC 5280 4.1.2.1", Alert.BAD_CERTIFICATE, _version),
    _Rule("issuer-not-ca", "RFC 5280 6.1.4 (k)", Alert.UNKNOWN_CA, _issuer_not_ca),
    _Rule("issuer-key-usage", "RFC 5280 6.1.4 (n)", Alert.UNKNOWN_CA, _no_cert_sign),
    _Rule("path-length", "RFC 5280 6.1.4 (l)", Alert.UNKNOWN_CA, _path_length),
    _Rule("depth", "6.11, COMM-004A to C", Alert.UNKNOWN_CA, _too_deep),
    _Rule("critical-eku-on-ca", "COMM-004D", Alert.UNSUPPORTED_CERTIFICATE, _critical_eku),
    _Rule("name-constraints", "COMM-004E", Alert.UNSUPPORTED_CERTIFICATE, _name_constraints),
    _Rule("policy-mappings", "COMM-004F", Alert.UNSUPPORTED_CERTIFICATE, _policy_mappings),
    _Rule("unknown-critical-extension", "SEC.069, RFC 5280 4.2", Alert.UNSUPPORTED_CERTIFICATE, _unknown_critical),
    _Rule("ca-as-peer", "RFC 5280 4.2.1.9", Alert.UNSUPPORTED_CERTIFICATE, _peer_is_ca),
    _Rule("key-usage", "RFC 5280 4.2.1.3", Alert.UNSUPPORTED_CERTIFICATE, _key_usage),
    _Rule("extended-key-usage", "RFC 5280 4.2.1.12", Alert.UNSUPPORTED_CERTIFICATE, _wrong_eku),
    _Rule("no-policy", "6.11.7, RFC 5280 4.2.1.4", Alert.CERTIFICATE_UNKNOWN, _no_policy),
    _Rule("wrong-policy", "6.11.7, RFC 5280 6.1.3 (d)", Alert.CERTIFICATE_UNKNOWN, _wrong_policy),
)
"""Every rule after the trust anchor is found, in the order of their weight."""

PATH_CLAUSE = "RFC 5280 6.1, COMM-004G"


def check_chain(
    chain_der: Sequence[bytes],
    *,
    now: float,
    rules: ChainRules,
    roots: Sequence[Certificate],
    intermediates: Sequence[Certificate] = (),
    revocation: Revocation | None = None,
) -> Verdict:
    """Judge the chain that a peer presented.

    Args:
        chain_der: DER certificates, the peer's own first; further ones in any order, the root may be among them.
        now: seconds since 1970 UTC.
        rules: what this listener accepts.
        roots: the trust anchors.
        intermediates: CAs known locally, for peers that send only their own certificate.
        revocation: who is revoked; None means nobody.

    Returns:
        Every check with its outcome. Raises nothing, whatever the bytes are.
    """
    if not chain_der:
        return _refuse(None, "none", "RFC 5246 7.4.6", "no certificate was presented", Alert.HANDSHAKE_FAILURE)
    if len(chain_der) > MAX_PRESENTED or any(len(der) > MAX_CERTIFICATE_BYTES for der in chain_der):
        return _refuse(None, "size", "own limit", "the chain is too large", Alert.BAD_CERTIFICATE)
    try:
        chain = [parse_certificate(der) for der in chain_der]
    except CertificateMalformed as error:
        return _refuse(identify(chain_der), "malformed", "RFC 5280 4.1", str(error), Alert.BAD_CERTIFICATE)
    path = build_path(chain, roots, signature_hashes=rules.signature_hashes, helpers=intermediates)
    case = _Case(path, rules, revocation or Revocation(), now)
    checks = [_anchor_check(path), *(_apply(rule, case) for rule in CHECKS)]
    notes = profile_notes(path.certificates, device_policies=rules.policies)
    checks.extend(replace(note, refuses=rules.strict_profile) for note in notes)
    return Verdict(
        identity=_identity(path, chain_der),
        checks=tuple(checks),
        valid_until=min(item.not_after for item in path.certificates),
    )


def _identity(path: Path, chain_der: Sequence[bytes]) -> PeerIdentity:
    leaf = path.certificates[0]
    judged = [item.der for item in path.certificates] if path.gap is None else chain_der
    return identify(judged, subject=leaf.subject, policies=leaf.policies)


def _refuse(identity: PeerIdentity | None, name: str, clause: str, detail: str, alert: Alert) -> Verdict:
    return Verdict(identity=identity, checks=(Check(name, clause, passed=False, detail=detail, alert=alert),))


def _anchor_check(path: Path) -> Check:
    if path.gap is None:
        detail = " <- ".join(item.label for item in path.certificates)
        return Check("trust-anchor", PATH_CLAUSE, passed=True, detail=detail)
    top = path.certificates[-1]
    detail = f"{path.gap.value} ({top.label}, issued by {top.issuer or 'nobody'})"
    alert = _GAP_ALERTS.get(path.gap, Alert.UNKNOWN_CA)
    return Check("trust-anchor", PATH_CLAUSE, passed=False, detail=detail, alert=alert, certificate=top)


def _apply(rule: _Rule, case: _Case) -> Check:
    for detail, certificate in rule.find(case):
        text = f"{certificate.label}: {detail}"
        return Check(rule.name, rule.clause, passed=False, detail=text, alert=rule.alert, certificate=certificate)
    return Check(rule.name, rule.clause, passed=True)


_AUTHORITY_CHECKS = frozenset(
    {
        "signature-algorithm",
        "key",
        "expired",
        "not-yet-valid",
        "version",
        "issuer-not-ca",
        "issuer-key-usage",
        "critical-eku-on-ca",
        "name-constraints",
        "policy-mappings",
        "unknown-critical-extension",
    }
)


def check_authority(certificate: Certificate, *, now: float, rules: ChainRules) -> tuple[Check, ...]:
    """The checks that a CA certificate has to pass to stand in a chain, made on it alone."""
    case = _Case(Path((certificate, certificate), None), rules, Revocation(), now)
    checks = [_apply(rule, case) for rule in CHECKS if rule.name in _AUTHORITY_CHECKS]
    if rules.policies is not None:
        checks.extend(replace(note, refuses=rules.strict_profile) for note in authority_notes(certificate))
    return tuple(checks)
