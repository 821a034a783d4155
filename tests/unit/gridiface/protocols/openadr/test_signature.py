"""XML signatures: what we sign verifies, and nothing else does."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.payloads.namespaces import DS, DSP, EI, OADR
from gridiface.protocols.openadr.replay import NonceMemory
from gridiface.protocols.openadr.signature import Signer, Verifier, fingerprint

NOW = 1_800_000_000.0
POLL = OadrPoll(venID="ven 1 & <co>")
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


def certificate_of(key, *, days=10):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ven")])
    begin = dt.datetime.fromtimestamp(NOW, dt.UTC) - dt.timedelta(days=5)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
KEYS = {"rsa": RSA_KEY, "ecdsa": EC_KEY, "p384": ec.generate_private_key(ec.SECP384R1())}


def verify(data, *, trust=lambda _: True, now=NOW, verifier=None):
    _, root = decode_payload(data)
    return (verifier or Verifier(NonceMemory())).verify(root, trust, now)


@pytest.fixture
def signer():
    return Signer(EC_KEY, der(certificate_of(EC_KEY)))


@pytest.mark.parametrize("kind", KEYS)
def test_what_we_sign_verifies_and_names_the_signer(kind):
    certificate = der(certificate_of(KEYS[kind]))
    data = Signer(KEYS[kind], certificate).sign(POLL, NOW, "n1")
    assert verify(data, trust=lambda seen: seen == certificate) == fingerprint(certificate)
    assert decode_payload(data)[0] == POLL


@pytest.mark.schema
def test_a_signed_document_is_valid_by_the_official_schema(schema, signer):
    schema.assertValid(etree.fromstring(signer.sign(POLL, NOW, "n1")))


def test_46_r514_we_sign_with_sha256_only_and_with_replay_protect(signer):
    text = signer.sign(POLL, NOW, "nonce-7").decode()
    # The one form of canonical XML that the rule lists.
    found = re.findall(r'(?:CanonicalizationMethod|Transform) Algorithm="([^"]*)"', text)
    assert found == ["http://www.w3.org/TR/2001/REC-xml-c14n-20010315"] * 3
    assert "sha1" not in text
    assert text.count("xmlenc#sha256") == 2
    root = etree.fromstring(text.encode())
    assert root.findtext(f".//{{{DSP}}}timestamp") == "2027-01-15T08:00:00Z"
    assert root.findtext(f".//{{{DSP}}}nonce") == "nonce-7"


def test_an_unsigned_message_is_refused():
    with pytest.raises(RemoteProtocolError, match="not signed") as refused:
        verify(encode_payload(POLL))
    assert refused.value.answer == 403


def test_a_changed_payload_is_refused(signer):
    data = signer.sign(POLL, NOW, "n1").replace(b"ven 1", b"ven 2")
    with pytest.raises(RemoteProtocolError, match="changed after"):
        verify(data)


@pytest.mark.parametrize("part", ["timestamp", "nonce"])
def test_a_changed_replay_protect_is_refused(signer, part):
    root = etree.fromstring(signer.sign(POLL, NOW, "n1"))
    found = root.find(f".//{{{DSP}}}{part}")
    found.text = "2027-01-15T08:00:01Z" if part == "timestamp" else "n2"
    with pytest.raises(RemoteProtocolError, match="changed after"):
        verify(etree.tostring(root))


def test_a_certificate_that_is_not_the_peers_is_refused(signer):
    with pytest.raises(RemoteProtocolError, match="not that of the peer"):
        verify(signer.sign(POLL, NOW, "n1"), trust=lambda _: False)


def test_72_r516_an_expired_certificate_is_refused():
    signer = Signer(EC_KEY, der(certificate_of(EC_KEY, days=5)))
    with pytest.raises(RemoteProtocolError, match="expired"):
        verify(signer.sign(POLL, NOW + 60, "n1"), now=NOW + 60)


def by_hand(key, *, prefix, inside, lang):
    """A signed poll of another implementation: its canonical texts are written here, without any library.

    Args:
        key: RSA, signs.
        prefix: of the elements of the signature; "" is the default namespace.
        inside: of what is signed; "" is the default namespace, "r" that of the root.
        lang: an xml: attribute of the root in canonical form, "" for none.
    """

    def tag(name, content="", more=""):
        name = f"{prefix}:{name}" if prefix else name
        return f"<{name}{more}>{content}</{name}>"

    def algorithm(name, what):
        return tag(name, more=f' Algorithm="{what}"')

    def reference(name, text):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        parts = (tag("Transforms", algorithm("Transform", C14N)), algorithm("DigestMethod", SHA256))
        return tag("Reference", "".join(parts) + tag("DigestValue", digest), f' URI="#{name}"')

    own = f' xmlns:{prefix}="{DS}"' if prefix else f' xmlns="{DS}"'
    above = f' xmlns:r="{OADR}" xmlns:unused="urn:unused"'
    oadr, o = (f' xmlns="{OADR}"', "") if not inside else ("", "r:")
    poll = f'<{o}oadrPoll xmlns:z="{EI}" z:schemaVersion="2.0b"><z:venID>ven 1</z:venID></{o}oadrPoll>'
    time = dt.datetime.fromtimestamp(NOW, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    protect = (
        f'<p:ReplayProtect xmlns:p="{DSP}"><p:timestamp>{time}</p:timestamp><p:nonce>n</p:nonce></p:ReplayProtect>'
    )

    def signed_object(declared, more=""):
        return f'<{o}oadrSignedObject{declared} Id="o"{more}>\n {poll}\n</{o}oadrSignedObject>'

    def signed_property(declared="", more=""):
        return tag("SignatureProperty", protect, f'{declared} Id="p" Target="#s"{more}')

    def info(declared=""):
        methods = algorithm("CanonicalizationMethod", C14N) + algorithm("SignatureMethod", RSA_SHA256)
        covered = reference("o", signed_object(oadr + above, lang))
        return tag("SignedInfo", methods + covered + reference("p", signed_property(own + above, lang)), declared)

    value = base64.b64encode(key.sign(info(own + above + lang).encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    certificate = tag("X509Certificate", base64.b64encode(der(certificate_of(key))).decode())
    parts = (
        *(info(), tag("SignatureValue", value), tag("KeyInfo", tag("X509Data", certificate))),
        tag("Object", tag("SignatureProperties", signed_property())),
    )
    document = f"<r:oadrPayload{above}{lang}>\n{tag('Signature', ''.join(parts), own)}\n{signed_object(oadr)}"
    return f"{document}</r:oadrPayload>".encode()


@pytest.mark.parametrize("prefix", ["", "q"])
@pytest.mark.parametrize("inside", ["", "r"])
@pytest.mark.parametrize("lang", ["", ' xml:lang="en"'])
def test_46_r514_signatures_of_others_are_read_whatever_prefixes_they_have(prefix, inside, lang):
    """Default namespaces at several depths, what is declared above and not used, an xml: attribute from above."""
    data = by_hand(RSA_KEY, prefix=prefix, inside=inside, lang=lang)
    assert verify(data) == fingerprint(der(certificate_of(RSA_KEY)))
    with pytest.raises(RemoteProtocolError):
        verify(data.replace(b"ven 1", b"ven 2"))


@pytest.mark.parametrize("late", [-31, 31])
def test_a_stale_or_future_message_is_refused(signer, late):
    with pytest.raises(RemoteProtocolError, match="too long ago"):
        verify(signer.sign(POLL, NOW, "n1"), now=NOW + late)


def test_a_replayed_message_is_refused_and_another_nonce_is_not(signer):
    verifier = Verifier(NonceMemory())
    data = signer.sign(POLL, NOW, "n1")
    verify(data, verifier=verifier)
    with pytest.raises(RemoteProtocolError, match="received before"):
        verify(data, verifier=verifier, now=NOW + 1)
    verify(signer.sign(POLL, NOW, "n2"), verifier=verifier)


def test_a_wrapped_payload_is_refused(signer):
    """Signature wrapping: the signed object is kept elsewhere, another one with the same Id takes its place."""
    root = etree.fromstring(signer.sign(POLL, NOW, "n1"))
    other = etree.fromstring(encode_payload(OadrPoll(venID="mallory")))
    good = root[1]
    root.remove(good)
    etree.SubElement(root[0], f"{{{DS}}}Object").append(good)
    root.append(other[0])
    with pytest.raises(RemoteProtocolError, match="changed after"):
        verify(etree.tostring(root))


def test_a_signature_that_covers_only_its_own_property_is_refused(signer):
    root = etree.fromstring(signer.sign(POLL, NOW, "n1"))
    info = root[0][0]
    info.remove(info[2])
    with pytest.raises(RemoteProtocolError, match="signature is wrong"):
        verify(etree.tostring(root))


def test_a_signature_of_another_key_is_refused(signer):
    root = etree.fromstring(signer.sign(POLL, NOW, "n1"))
    stranger = ec.generate_private_key(ec.SECP256R1())
    other = etree.fromstring(Signer(stranger, der(certificate_of(stranger))).sign(POLL, NOW, "n1"))
    root[0][1].text = other[0][1].text
    with pytest.raises(RemoteProtocolError, match="signature is wrong"):
        verify(etree.tostring(root))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("2001/04/xmldsig-more#ecdsa-sha256", "2000/09/xmldsig#dsa-sha1", "method"),
        ("2001/04/xmldsig-more#ecdsa-sha256", "2001/04/xmldsig-more#rsa-sha256", "method"),
        ("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1", "signature is wrong"),
        ("TR/2001/REC-xml-c14n-20010315", "TR/1999/REC-xslt-19991116", "canonicalisation"),
    ],
)
def test_other_algorithms_are_refused(signer, old, new, reason):
    text = signer.sign(POLL, NOW, "n1").decode().replace(old, new)
    with pytest.raises(RemoteProtocolError, match=reason):
        verify(text.encode())


def test_a_relative_namespace_which_has_no_canonical_form_is_refused(signer):
    text = signer.sign(POLL, NOW, "n1").decode().replace('xmlns:gml="http://', 'xmlns:gml="relative')
    text = text.replace("<oadr:oadrSignedObject", '<oadr:oadrSignedObject xmlns:x="relative" x:y="1"')
    with pytest.raises(RemoteProtocolError):
        verify(text.encode())


def test_a_small_key_signs_nothing():
    key = rsa.generate_private_key(65537, 1024)
    with pytest.raises(LocalProtocolError):
        Signer(key, der(certificate_of(key)))


def test_keys_are_read_from_pem_and_anything_else_is_said():
    pem = EC_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = Signer.from_pem(pem, certificate_of(EC_KEY).public_bytes(serialization.Encoding.PEM))
    assert verify(signer.sign(POLL, NOW, "n1"))
    with pytest.raises(LocalProtocolError):
        Signer.from_pem(b"-----BEGIN", b"")


def test_50_the_fingerprint_is_the_last_ten_octets_of_the_sha256_in_pairs():
    assert fingerprint(b"abc") == "7A:9C:B4:10:FF:61:F2:00:15:AD"


SIGNED = Signer(EC_KEY, der(certificate_of(EC_KEY))).sign(POLL, NOW, "n1")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_signed_document_raises_nothing_but_a_remote_protocol_error(data):
    body = bytearray(SIGNED)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(32, 126))
    try:
        verify(bytes(body))
    except RemoteProtocolError:
        return
    assert decode_payload(bytes(body))[0] == POLL


def test_71_a_payload_without_its_envelope_is_never_signed_whatever_stands_in_it(signer):
    """Neither by itself nor with the signature and the signed object of another message inside."""
    root = etree.fromstring(signer.sign(POLL, NOW, "n"))
    bare = root.find(f"{{{OADR}}}oadrSignedObject")[0]
    for wrapped in (False, True):
        poll = etree.fromstring(etree.tostring(bare))
        if wrapped:
            poll.extend(etree.fromstring(etree.tostring(child)) for child in root)
            with pytest.raises(RemoteProtocolError):
                decode_payload(etree.tostring(poll))
        with pytest.raises(RemoteProtocolError, match="not signed"):
            Verifier(NonceMemory()).verify(poll, lambda _: True, NOW)
