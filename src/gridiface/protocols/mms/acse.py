"""Association control (X.227): AARQ, AARE, RLRQ, RLRE, ABRT, with a password where one is configured."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from gridiface.protocols.mms.ber import broken, elements, fields, integer, number, oid, required, single, text, tlv
from gridiface.protocols.mms.presentation import MMS_CONTEXT

_REQUEST, _RESPONSE = 0x60, 0x61
_RELEASE_REQUEST, _RELEASE_RESPONSE, _ABORT = 0x62, 0x63, 0x64
_CONTEXT_NAME, _RESULT, _DIAGNOSTIC = 0xA1, 0xA2, 0xA3
_CALLED_TITLE, _CALLED_QUALIFIER = 0xA2, 0xA3
_CALLING_TITLE, _CALLING_QUALIFIER = 0xA6, 0xA7
_REQUIREMENTS, _MECHANISM, _AUTHENTICATION = 0x8A, 0x8B, 0xAC
_USER_INFORMATION, _EXTERNAL = 0xBE, 0x28
_OID, _INTEGER = 0x06, 0x02

_MMS_APPLICATION = oid("1.0.9506.2.3")
_PASSWORD = oid("2.2.3.1")
_AUTHENTICATION_UNIT = b"\x07\x80"

#: Where the user refuses (X.227 clause 7.1.5.8.7), and where the provider does.
USER_DIAGNOSTICS = {
    0: "null",
    1: "no reason given",
    2: "application context name not supported",
    3: "calling AP title not recognised",
    4: "calling AP invocation identifier not recognised",
    5: "calling AE qualifier not recognised",
    6: "calling AE invocation identifier not recognised",
    7: "called AP title not recognised",
    8: "called AP invocation identifier not recognised",
    9: "called AE qualifier not recognised",
    10: "called AE invocation identifier not recognised",
    11: "authentication mechanism name not recognised",
    12: "authentication mechanism name required",
    13: "authentication failure",
    14: "authentication required",
}
PROVIDER_DIAGNOSTICS = {0: "null", 1: "no reason given", 2: "no common ACSE version"}


@dataclass(frozen=True, slots=True)
class Title:
    """Who an application is: the AP title's object identifier ("1.1.1.999.1") and its AE qualifier."""

    ap_title: str = ""
    ae_qualifier: int | None = None


UNNAMED = Title()


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """An AARQ, as far as a server looks at it."""

    user_data: bytes
    password: bytes | None = None


@dataclass(frozen=True, slots=True)
class AssociateAnswer:
    """An AARE: `result` 0 is acceptance; `why` tells in words why not."""

    result: int
    why: str
    user_data: bytes


# Writing -----------------------------------------------------------------------------------------------------------


def encode_request(
    user_data: bytes, *, calling: Title = UNNAMED, called: Title = UNNAMED, password: bytes | None = None
) -> bytes:
    """The AARQ with MMS's initiate request in it."""
    names = (
        *_named(called, _CALLED_TITLE, _CALLED_QUALIFIER),
        *_named(calling, _CALLING_TITLE, _CALLING_QUALIFIER),
    )
    proof: tuple[bytes, ...] = ()
    if password is not None:
        proof = (
            tlv(_REQUIREMENTS, _AUTHENTICATION_UNIT),
            tlv(_MECHANISM, _PASSWORD),
            tlv(_AUTHENTICATION, tlv(0x80, password)),
        )
    return tlv(_REQUEST, tlv(_CONTEXT_NAME, tlv(_OID, _MMS_APPLICATION)), *names, *proof, _information(user_data))


def encode_answer(user_data: bytes, result: int = 0, diagnostic: int = 0) -> bytes:
    """The AARE; `result` 1 refuses for good, 2 for now, with the user's diagnostic."""
    return tlv(
        _RESPONSE,
        tlv(_CONTEXT_NAME, tlv(_OID, _MMS_APPLICATION)),
        tlv(_RESULT, number(_INTEGER, result)),
        tlv(_DIAGNOSTIC, tlv(0xA1, number(_INTEGER, diagnostic))),
        _information(user_data) if user_data else b"",
    )


def encode_release_request() -> bytes:
    """The RLRQ, normal."""
    return tlv(_RELEASE_REQUEST, number(0x80, 0))


def encode_release_answer() -> bytes:
    """The RLRE, normal."""
    return tlv(_RELEASE_RESPONSE, number(0x80, 0))


def encode_abort() -> bytes:
    """The ABRT by the user."""
    return tlv(_ABORT, number(0x80, 0))


def _named(title: Title, ap: int, ae: int) -> tuple[bytes, ...]:
    return (
        tlv(ap, tlv(_OID, oid(title.ap_title))) if title.ap_title else b"",
        b"" if title.ae_qualifier is None else tlv(ae, number(_INTEGER, title.ae_qualifier)),
    )


def _information(user_data: bytes) -> bytes:
    return tlv(_USER_INFORMATION, tlv(_EXTERNAL, number(_INTEGER, MMS_CONTEXT), tlv(0xA0, user_data)))


# Reading -----------------------------------------------------------------------------------------------------------


def decode_request(data: bytes) -> AssociateRequest:
    """The AARQ.

    Raises:
        RemoteProtocolError: it is none, or for another application than MMS.
    """
    unit = single(data)
    if unit.tag != _REQUEST:
        raise broken(f"ACSE unit {unit.tag:#x} where an association is asked for")
    found = fields(unit.content)
    if single(required(found, _CONTEXT_NAME, "the application context")).content != _MMS_APPLICATION:
        raise broken("an association for another application than MMS")
    told = found.get(_AUTHENTICATION)
    password = None if told is None else single(told).content
    return AssociateRequest(_content(required(found, _USER_INFORMATION, "MMS's request")), password)


def decode_answer(data: bytes) -> AssociateAnswer:
    """The AARE; raises as `decode_request`."""
    unit = single(data)
    if unit.tag != _RESPONSE:
        raise broken(f"ACSE unit {unit.tag:#x} where an association is answered")
    found = fields(unit.content)
    result = integer(single(required(found, _RESULT, "the result")).content)
    if result:
        return AssociateAnswer(result, _why(found.get(_DIAGNOSTIC)), b"")
    return AssociateAnswer(0, "", _content(required(found, _USER_INFORMATION, "MMS's response")))


def same_password(told: bytes | None, known: bytes) -> bool:
    """Whether a password is the known one, in constant time."""
    return told is not None and hmac.compare_digest(told, known)


def _why(diagnostic: bytes | None) -> str:
    if diagnostic is None:
        return "no reason given"
    source = single(diagnostic)
    code = integer(single(source.content).content)
    known = USER_DIAGNOSTICS if source.tag == 0xA1 else PROVIDER_DIAGNOSTICS
    return known.get(code, f"diagnostic {code}")


def _content(information: bytes) -> bytes:
    for tag, content in elements(information, 4):
        if tag != _EXTERNAL:
            raise broken(f"user information {tag:#x} where an EXTERNAL belongs")
        found = fields(content)
        context = found.get(_INTEGER)
        if context is None or integer(context) == MMS_CONTEXT:
            return required(found, 0xA0, "the user information's value")
    raise broken(f"no user information of MMS ({text(information[:16])!r})")
