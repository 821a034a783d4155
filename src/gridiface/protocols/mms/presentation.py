"""Presentation (X.226), normal mode: connection with two contexts, ACSE's and MMS's, and user data that name theirs."""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.protocols.mms.ber import broken, elements, fields, integer, number, oid, required, single, tlv

ACSE_CONTEXT, MMS_CONTEXT = 1, 3
_ACSE_SYNTAX = oid("2.2.1.0.1")
_MMS_SYNTAX = oid("1.0.9506.2.1")
_BER = oid("2.1.1")

_OID = 0x06
_SEQUENCE, _SET, _INTEGER = 0x30, 0x31, 0x02
_MODE, _PARAMETERS = 0xA0, 0xA2
_CALLING, _CALLED, _RESPONDING = 0x81, 0x82, 0x83
_DEFINITIONS, _RESULTS, _REQUIREMENTS = 0xA4, 0xA5, 0x88
_PROVIDER_REASON = 0x8A
_FULLY_ENCODED = 0x61
_SINGLE_TYPE, _OCTET_ALIGNED = 0xA0, 0x81
_NORMAL_MODE = tlv(_MODE, number(0x80, 1))
_MAX_SELECTOR = 16
_MAX_CONTEXTS = 16

REASONS = {
    0: "reason not specified",
    1: "temporary congestion",
    2: "local limit exceeded",
    3: "called presentation address unknown",
    4: "protocol version not supported",
    5: "default context not supported",
    6: "user data not readable",
    7: "no presentation service access point available",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A connect: selectors, the contexts that are offered (id -> abstract syntax), user data in ACSE's context."""

    calling: bytes
    called: bytes
    contexts: dict[int, bytes]
    user_data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a connect: each context's result in order (0 = acceptance), user data; `reason` of a refusal."""

    results: tuple[int, ...]
    user_data: bytes
    reason: int | None = None

    @property
    def words(self) -> str:
        """The refusal's reason in words."""
        return REASONS.get(self.reason or 0, f"reason {self.reason}")


# Writing -----------------------------------------------------------------------------------------------------------


def encode_connect(calling: bytes, called: bytes, user_data: bytes) -> bytes:
    """The CP unit: both contexts offered with the basic encoding rules, `user_data` is ACSE's."""
    contexts = tlv(
        _DEFINITIONS,
        *(
            tlv(_SEQUENCE, number(_INTEGER, context), tlv(_OID, syntax), tlv(_SEQUENCE, tlv(_OID, _BER)))
            for context, syntax in ((ACSE_CONTEXT, _ACSE_SYNTAX), (MMS_CONTEXT, _MMS_SYNTAX))
        ),
    )
    selectors = (tlv(_CALLING, calling) if calling else b"") + (tlv(_CALLED, called) if called else b"")
    parameters = selectors + contexts + encode_data(user_data, ACSE_CONTEXT)
    return tlv(_SET, _NORMAL_MODE, tlv(_PARAMETERS, parameters))


def encode_accept(responding: bytes, user_data: bytes, contexts: int = 2) -> bytes:
    """The CPA unit: every context is taken."""
    result = tlv(_SEQUENCE, number(0x80, 0), tlv(0x81, _BER))
    selector = tlv(_RESPONDING, responding) if responding else b""
    parameters = selector + tlv(_RESULTS, result * contexts) + encode_data(user_data, ACSE_CONTEXT)
    return tlv(_SET, _NORMAL_MODE, tlv(_PARAMETERS, parameters))


def encode_refusal(reason: int | None, user_data: bytes = b"") -> bytes:
    """The CPR unit."""
    why = b"" if reason is None else number(_PROVIDER_REASON, reason)
    return tlv(_SEQUENCE, why, encode_data(user_data, ACSE_CONTEXT) if user_data else b"")


def encode_data(content: bytes, context: int) -> bytes:
    """User data, fully encoded, of one context."""
    return tlv(_FULLY_ENCODED, tlv(_SEQUENCE, number(_INTEGER, context), tlv(_SINGLE_TYPE, content)))


def encode_abort(content: bytes) -> bytes:
    """The ARU unit with ACSE's abort in it."""
    return tlv(0xA0, encode_data(content, ACSE_CONTEXT))


# Reading -----------------------------------------------------------------------------------------------------------


def decode_connect(data: bytes) -> Offer:
    """The CP unit.

    Raises:
        RemoteProtocolError: it is none.
    """
    found = _normal_mode(data)
    contexts: dict[int, bytes] = {}
    for _, definition in elements(required(found, _DEFINITIONS, "the context definition list"), _MAX_CONTEXTS):
        parts = fields(definition)
        contexts[integer(required(parts, _INTEGER, "a context's identifier"))] = required(parts, _OID, "its syntax")
    if _MMS_SYNTAX not in contexts.values():
        raise broken("no context for MMS is offered")
    return Offer(
        _selector(found, _CALLING),
        _selector(found, _CALLED),
        contexts,
        _of_context(required(found, _FULLY_ENCODED, "user data"), ACSE_CONTEXT),
    )


def decode_answer(data: bytes) -> Answer:
    """The CPA or CPR unit that answers a connect.

    Raises:
        RemoteProtocolError: it is neither, or takes no context of MMS.
    """
    unit = single(data)
    if unit.tag == _SEQUENCE:
        found = fields(unit.content)
        reason = found.get(_PROVIDER_REASON)
        told = found.get(_FULLY_ENCODED)
        user_data = b"" if told is None else _of_context(told, ACSE_CONTEXT)
        return Answer(_results(found), user_data, 0 if reason is None else integer(reason))
    found = _normal_mode(data)
    results = _results(found)
    if results and any(results[:2]):
        raise broken("the peer does not take the contexts of ACSE and MMS")
    return Answer(results, _of_context(required(found, _FULLY_ENCODED, "user data"), ACSE_CONTEXT))


def decode_data(data: bytes) -> tuple[int, bytes]:
    """Fully encoded user data: the context and the value.

    Raises:
        RemoteProtocolError: something else.
    """
    unit = single(data)
    if unit.tag != _FULLY_ENCODED:
        raise broken(f"user data {unit.tag:#x} are not fully encoded")
    return _value(unit.content)


def decode_abort(data: bytes) -> str:
    """Why the peer aborts, as far as an ARU or ARP unit tells; raises as `decode_data`."""
    if not data:
        return "without a reason"
    unit = single(data)
    if unit.tag == _SEQUENCE:
        reason = fields(unit.content).get(0x80)
        return f"by the presentation layer, reason {'none' if reason is None else integer(reason)}"
    return "by its user"


def _normal_mode(data: bytes) -> dict[int, bytes]:
    unit = single(data)
    if unit.tag != _SET:
        raise broken(f"presentation unit {unit.tag:#x} where a connection is made")
    found = fields(unit.content)
    if integer(required(fields(required(found, _MODE, "the mode")), 0x80, "the mode's value")) != 1:
        raise broken("presentation in another mode than normal")
    return fields(required(found, _PARAMETERS, "the parameters of normal mode"))


def _results(found: dict[int, bytes]) -> tuple[int, ...]:
    return tuple(
        integer(required(fields(result), 0x80, "a context's result"))
        for _, result in elements(found.get(_RESULTS, b""), _MAX_CONTEXTS)
    )


def _selector(found: dict[int, bytes], tag: int) -> bytes:
    selector = found.get(tag, b"")
    if len(selector) > _MAX_SELECTOR:
        raise broken(f"a presentation selector of {len(selector)} octets")
    return selector


def _of_context(content: bytes, context: int) -> bytes:
    seen, value = _value(content)
    if seen != context:
        raise broken(f"user data of context {seen} where {context} belongs")
    return value


def _value(content: bytes) -> tuple[int, bytes]:
    unit = single(content)
    if unit.tag != _SEQUENCE:
        raise broken("user data without a list of values")
    found = fields(unit.content)
    context = integer(required(found, _INTEGER, "the context of user data"))
    value = found.get(_SINGLE_TYPE, found.get(_OCTET_ALIGNED))
    if value is None:
        raise broken("user data in a form that nobody uses for MMS")
    return context, value
