"""XML signatures of the High security level: detached, over oadrSignedObject and a ReplayProtect property.

Owns signing and verifying of one document with RSA or ECDSA and SHA-256 (facts: XMLDSIG core, conformance rule 514).
Does not own who is trusted (a `Trust` says so), nor nonces (replay.py), nor payloads.

Keys and certificates are parsed once: a Signer holds its own, a Verifier remembers those it has seen.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from lxml import etree

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.payloads.envelope import SIGNED_OBJECT_ID, Payload, encode_payload
from gridiface.protocols.openadr.payloads.namespaces import DS, DSP, OADR
from gridiface.protocols.openadr.replay import NonceStore
from gridiface.protocols.openadr.times import parse_date_time, render_date_time
from gridiface.protocols.xmlwire import parse

_INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
#: Canonicalisation -> (exclusive, with comments). Comments were already removed by the parser, as none can be signed.
_CANONICAL = {
    _INCLUSIVE: (False, False),
    _INCLUSIVE + "#WithComments": (False, True),
    _EXCLUSIVE: (True, False),
    _EXCLUSIVE + "WithComments": (True, True),
}
_XML = "{http://www.w3.org/XML/1998/namespace}"
#: For what was parsed before.
_PARSER = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, huge_tree=True)
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_PROPERTIES_ID = "replayProtect"
_MOST_REFERENCES = 4
_MOST_CERTIFICATES = 4096
#: References to documents that were signed before: entries, and octets of a document.
_MOST_KEPT, _LONGEST_KEPT = 4096, 2048

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
#: Whether the certificate (DER) may sign for the peer that sent the message.
Trust = Callable[[bytes], bool]


def fingerprint(certificate: bytes) -> str:
    """The profile's name of a certificate (DER): the last 10 octets of its SHA-256 as HH:HH:..."""
    return ":".join(f"{octet:02X}" for octet in hashlib.sha256(certificate).digest()[-10:])


class Signer:
    """Signs payloads with one key.

    Args:
        key: RSA of at least 2048 bit, or on an elliptic curve of at least 224.
        certificate: its certificate, DER.

    Raises:
        LocalProtocolError: another kind of key, or a smaller one.
    """

    def __init__(self, key: PrivateKey, certificate: bytes) -> None:
        least = 2048 if isinstance(key, rsa.RSAPrivateKey) else 224
        if key.key_size < least:
            raise LocalProtocolError(f"a key of {key.key_size} bit is too small to sign with")
        self._key = key
        self._method = _RSA_SHA256 if isinstance(key, rsa.RSAPrivateKey) else _ECDSA_SHA256
        self._certificate = base64.b64encode(certificate).decode()
        self._signed: dict[bytes, tuple[str, str]] = {}

    @classmethod
    def from_pem(cls, key: bytes, certificate: bytes, password: bytes | None = None) -> Signer:
        """From PEM files; of a chain the first certificate is used.

        Raises:
            LocalProtocolError: not such files.
        """
        try:
            private = serialization.load_pem_private_key(key, password)
            public = x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)
        except (ValueError, TypeError) as error:
            raise LocalProtocolError("the signing key or its certificate cannot be read") from error
        if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise LocalProtocolError("only RSA and elliptic curve keys can sign")
        return cls(private, public)

    def sign(self, payload: Payload, now: float, nonce: str) -> bytes:
        """The signed document of `payload`; `nonce` must never have been used before with this key."""
        document = encode_payload(payload)
        reference, scope = self._signed.get(document) or self._refer(document)
        properties = (
            f'<ds:Object Id="{_PROPERTIES_ID}"><ds:SignatureProperties>'
            f'<ds:SignatureProperty Target="#{SIGNED_OBJECT_ID}"><dsp:ReplayProtect>'
            f"<dsp:timestamp>{render_date_time(now)}</dsp:timestamp><dsp:nonce>{escape(nonce)}</dsp:nonce>"
            "</dsp:ReplayProtect></ds:SignatureProperty></ds:SignatureProperties></ds:Object>"
        )
        signed_info = (
            "<ds:SignedInfo>"
            f'<ds:CanonicalizationMethod Algorithm="{_INCLUSIVE}"></ds:CanonicalizationMethod>'
            f'<ds:SignatureMethod Algorithm="{self._method}"></ds:SignatureMethod>'
            f"{reference}{_reference(_PROPERTIES_ID, _in_scope(properties, scope))}"
            "</ds:SignedInfo>"
        )
        signature = (
            f'<ds:Signature xmlns:ds="{DS}" xmlns:dsp="{DSP}">{signed_info}'
            f"<ds:SignatureValue>{self._value(_in_scope(signed_info, scope))}</ds:SignatureValue>"
            f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{self._certificate}</ds:X509Certificate></ds:X509Data>"
            f"</ds:KeyInfo>{properties}</ds:Signature>"
        )
        place = document.index(b"<oadr:oadrSignedObject")
        return document[:place] + signature.encode() + document[place:]

    def _refer(self, document: bytes) -> tuple[str, str]:
        """The reference to the signed object of a document; and the namespaces of its signature, as declarations."""
        root = parse(document)
        names = {prefix: uri for prefix, uri in root.nsmap.items() if prefix} | {"ds": DS, "dsp": DSP}
        scope = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in sorted(names.items()))
        made = _reference(SIGNED_OBJECT_ID, _canonical(root[0], exclusive=False)), scope
        if len(document) <= _LONGEST_KEPT:
            # Most of what is said is an empty answer to a poll, the same each time.
            if len(self._signed) >= _MOST_KEPT:
                self._signed.clear()
            self._signed[document] = made
        return made

    def _value(self, data: bytes) -> str:
        if isinstance(self._key, rsa.RSAPrivateKey):
            raw = self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        else:
            r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
            size = (self._key.key_size + 7) // 8
            raw = r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return base64.b64encode(raw).decode()


@dataclass(frozen=True, slots=True)
class _Certificate:
    key: PublicKey
    begins: float
    ends: float


class Verifier:
    """Verifies signed documents.

    Args:
        nonces: where nonces are remembered.
        signed_replay_protect: ReplayProtect must be covered by the signature. Without that anybody who saw a message
            can send it again with another nonce; turn it off only for a peer that cannot do better.
    """

    def __init__(self, nonces: NonceStore, *, signed_replay_protect: bool = True) -> None:
        self._nonces = nonces
        self._strict = signed_replay_protect
        self._certificates: dict[bytes, _Certificate] = {}

    def verify(self, root: etree._Element, trust: Trust, now: float) -> str:
        """Check the signature of the document `root`, which xmlwire's parse made; returns the signer's fingerprint.

        Raises:
            RemoteProtocolError: answer 403: unsigned, not valid, not trusted, expired, stale or seen before.
        """
        if root.tag != f"{{{OADR}}}oadrPayload":
            # A payload without its envelope is taken elsewhere; what stands in it signs nothing of it.
            raise _refusal("the message is not signed")
        signature = _only_child(root, f"{{{DS}}}Signature", "the message is not signed")
        signed_object = _only_child(root, f"{{{OADR}}}oadrSignedObject", "nothing is signed")
        info = _only_child(signature, f"{{{DS}}}SignedInfo", "the signature has no SignedInfo")
        der = self._signer(signature)
        if not trust(der):
            raise _refusal("the signature's certificate is not that of the peer")
        self._check_value(signature, info, self._certificate(der, now))
        covered = _check_references(info, signature, signed_object)
        if signed_object not in covered:
            raise _refusal("the payload is not covered by the signature")
        protect = _replay_protect(signature)
        if self._strict and not any(protect is part or part in protect.iterancestors() for part in covered):
            raise _refusal("ReplayProtect is not covered by the signature")
        name = fingerprint(der)
        self._nonces.use(name, *_nonce_of(protect), now)
        return name

    def _signer(self, signature: etree._Element) -> bytes:
        text = signature.findtext(f"{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate")
        if text is None:
            raise _refusal("the signature holds no certificate")
        return _decode_base64(text)

    def _certificate(self, der: bytes, now: float) -> _Certificate:
        known = self._certificates.get(der)
        if known is None:
            known = _read_certificate(der)
            if len(self._certificates) >= _MOST_CERTIFICATES:
                self._certificates.clear()
            self._certificates[der] = known
        if not known.begins <= now <= known.ends:
            raise _refusal("the signature's certificate is expired or not valid yet")
        return known

    def _check_value(self, signature: etree._Element, info: etree._Element, certificate: _Certificate) -> None:
        method = _algorithm(info, "SignatureMethod")
        exclusive, comments = _canonicalisation(_algorithm(info, "CanonicalizationMethod"))
        data = _canonical(info, exclusive=exclusive, comments=comments)
        value = _decode_base64(signature.findtext(f"{{{DS}}}SignatureValue") or "")
        key = certificate.key
        try:
            if method == _RSA_SHA256 and isinstance(key, rsa.RSAPublicKey):
                key.verify(value, data, padding.PKCS1v15(), hashes.SHA256())
            elif method == _ECDSA_SHA256 and isinstance(key, ec.EllipticCurvePublicKey):
                size = (key.key_size + 7) // 8
                if len(value) != 2 * size:
                    raise _refusal("the signature value has the wrong length")
                pair = encode_dss_signature(int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big"))
                key.verify(pair, data, ec.ECDSA(hashes.SHA256()))
            else:
                raise _refusal("the signature's method is not allowed or does not fit its key")
        except InvalidSignature:
            raise _refusal("the signature is wrong") from None


def _in_scope(text: str, scope: str) -> bytes:
    """The inclusive canonical form, which rule 514 lists alone, of an element that is written in canonical form.

    It names every namespace that is in scope where it begins, `scope`, before the attributes of its first tag.
    """
    end = min(text.index(mark) for mark in " >" if mark in text)
    return (text[:end] + scope + text[end:]).encode()


def _reference(target: str, data: bytes) -> str:
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return (
        f'<ds:Reference URI="#{target}"><ds:Transforms><ds:Transform Algorithm="{_INCLUSIVE}"></ds:Transform>'
        f'</ds:Transforms><ds:DigestMethod Algorithm="{_SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
    )


def _canonical(el: etree._Element, *, exclusive: bool, comments: bool = False) -> bytes:
    try:
        whole = el if exclusive else _alone(el)
        return etree.tostring(whole, method="c14n", exclusive=exclusive, with_comments=comments, with_tail=False)
    except etree.LxmlError:
        # Namespaces that are relative URIs have no canonical form.
        raise _refusal("a part of the message has no canonical form") from None


def _alone(el: etree._Element) -> etree._Element:
    """An element as the root of a document, with the namespaces and the xml: attributes that it has from above.

    The library's inclusive form of a part of a document is wrong: it takes the default namespace away from what lies
    deeper in it, and leaves out the xml: attributes from above (Canonical XML 1.0, 2.4).
    """
    alone = etree.fromstring(etree.tostring(el, encoding="utf-8", with_tail=False), _PARSER)
    for above in el.iterancestors():
        for name, value in above.attrib.items():
            if str(name).startswith(_XML) and name not in alone.attrib:
                alone.set(name, value)
    return alone


def _refusal(reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(reason, answer=403)


def _only_child(parent: etree._Element, tag: str, reason: str) -> etree._Element:
    found = [child for child in parent if child.tag == tag]
    if len(found) != 1:
        raise _refusal(reason)
    return found[0]


def _algorithm(parent: etree._Element, name: str) -> str:
    found = _only_child(parent, f"{{{DS}}}{name}", f"the signature has no {name}")
    return str(found.get("Algorithm", ""))


def _canonicalisation(algorithm: str) -> tuple[bool, bool]:
    try:
        return _CANONICAL[algorithm]
    except KeyError:
        raise _refusal("the signature's canonicalisation is not allowed") from None


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _refusal("a part of the signature is not base64") from None


def _read_certificate(der: bytes) -> _Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except Exception as error:
        # The library's complaints about hostile certificates come as several unrelated types.
        raise _refusal("the signature's certificate cannot be read") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _refusal("the signature's certificate has a key of the wrong kind")
    if key.key_size < (2048 if isinstance(key, rsa.RSAPublicKey) else 224):
        raise _refusal("the signature's key is too small")
    return _Certificate(key, _seconds(begins), _seconds(ends))


def _seconds(moment: dt.datetime) -> float:
    return moment.timestamp()


def _check_references(
    info: etree._Element, signature: etree._Element, signed_object: etree._Element
) -> list[etree._Element]:
    """The elements that the signature covers, each with a right digest.

    A reference is resolved only to the signed object of the root or to a part of this very signature, never by a
    search of the document: an element of the same Id elsewhere (signature wrapping) is never found.
    """
    references = info.findall(f"{{{DS}}}Reference")
    if not 1 <= len(references) <= _MOST_REFERENCES:
        raise _refusal("the signature has no or too many references")
    targets = {f"#{name}": part for part in signature.iterfind(f".//{{{DS}}}*") if (name := part.get("Id"))}
    targets |= {f"#{name}": signed_object for name in _ids(signed_object)}
    covered = []
    for reference in references:
        target = targets.get(reference.get("URI", ""))
        if target is None or info in target.iterdescendants():
            raise _refusal("a reference of the signature points nowhere")
        _check_digest(reference, target)
        covered.append(target)
    return covered


def _ids(el: etree._Element) -> list[str]:
    return [str(value) for value in (el.get(f"{{{OADR}}}Id"), el.get("Id")) if value]


def _check_digest(reference: etree._Element, target: etree._Element) -> None:
    exclusive, comments = False, False
    for transform in reference.iterfind(f"{{{DS}}}Transforms/{{{DS}}}Transform"):
        algorithm = transform.get("Algorithm", "")
        if algorithm == _ENVELOPED:
            continue
        if len(transform):
            raise _refusal("a transform of the signature has parameters")
        exclusive, comments = _canonicalisation(algorithm)
    if _algorithm(reference, "DigestMethod") != _SHA256:
        raise _refusal("the signature's digest is not allowed")
    digest = hashlib.sha256(_canonical(target, exclusive=exclusive, comments=comments)).digest()
    if not hmac.compare_digest(digest, _decode_base64(reference.findtext(f"{{{DS}}}DigestValue") or "")):
        raise _refusal("the message was changed after it was signed")


def _replay_protect(signature: etree._Element) -> etree._Element:
    path = f"{{{DS}}}Object//{{{DS}}}SignatureProperty/{{{DSP}}}ReplayProtect"
    found = signature.findall(path)
    if len(found) != 1:
        raise _refusal("the signature has no ReplayProtect")
    return found[0]


def _nonce_of(protect: etree._Element) -> tuple[str, float]:
    try:
        timestamp = parse_date_time(protect.findtext(f"{{{DSP}}}timestamp") or "")
    except ValueError:
        raise _refusal("ReplayProtect has no timestamp") from None
    return (protect.findtext(f"{{{DSP}}}nonce") or "").strip(), timestamp
