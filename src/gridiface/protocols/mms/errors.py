"""What a device says when it does not do something: access errors of single values, errors of services, rejects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from gridiface.protocols.mms.ber import fields, integer, number, required, single, text, tlv


class AccessError(IntEnum):
    """Why one value was neither read nor written (DataAccessError)."""

    OBJECT_INVALIDATED = 0
    HARDWARE_FAULT = 1
    TEMPORARILY_UNAVAILABLE = 2
    OBJECT_ACCESS_DENIED = 3
    OBJECT_UNDEFINED = 4
    INVALID_ADDRESS = 5
    TYPE_UNSUPPORTED = 6
    TYPE_INCONSISTENT = 7
    OBJECT_ATTRIBUTE_INCONSISTENT = 8
    OBJECT_ACCESS_UNSUPPORTED = 9
    OBJECT_NON_EXISTENT = 10
    OBJECT_VALUE_INVALID = 11
    UNKNOWN = 255

    @property
    def words(self) -> str:
        """The standard's words."""
        return self.name.lower().replace("_", "-")


def access_error(content: bytes) -> AccessError:
    """The error that a device tells; a number that nobody knows is `UNKNOWN`."""
    code = integer(content)
    return AccessError(code) if code in AccessError.__members__.values() else AccessError.UNKNOWN


_CLASSES: dict[int, tuple[str, dict[int, str]]] = {
    0: ("vmd-state", {1: "vmd-state-conflict", 2: "vmd-operational-problem"}),
    1: ("application-reference", {1: "other", 2: "application-unreachable", 3: "connection-lost"}),
    2: ("definition", {1: "object-undefined", 2: "invalid-address", 5: "object-exists", 6: "inconsistent-attributes"}),
    3: (
        "resource",
        {1: "memory-unavailable", 2: "processor-resource-unavailable", 4: "capability-unavailable"},
    ),
    4: (
        "service",
        {1: "primitives-out-of-sequence", 2: "object-state-conflict", 4: "continuation-invalid"},
    ),
    5: ("service-preempt", {1: "timeout", 2: "deadlock", 3: "cancel"}),
    6: ("time-resolution", {1: "unsupportable-time-resolution"}),
    7: (
        "access",
        {1: "object-access-unsupported", 2: "object-non-existent", 3: "object-access-denied", 4: "invalidated"},
    ),
    8: ("initiate", {1: "version-incompatible", 2: "max-segment-insufficient"}),
    9: ("conclude", {1: "further-communication-required"}),
    10: ("cancel", {1: "invoke-id-unknown", 2: "cancel-not-possible"}),
    11: ("file", {}),
    12: ("others", {}),
}
_PASSING = frozenset({(3, 1), (3, 2), (4, 2), (5, 1), (5, 2), (5, 3)})


@dataclass(frozen=True, slots=True)
class ServiceError:
    """Why a whole service failed: class and code of ISO 9506-2, and what the device says besides."""

    error_class: int
    code: int
    description: str = ""

    @property
    def words(self) -> str:
        """The standard's words."""
        name, codes = _CLASSES.get(self.error_class, (f"class {self.error_class}", {}))
        return f"{name}: {codes.get(self.code, f'code {self.code}')}" + (
            f" ({self.description})" if self.description else ""
        )

    @property
    def passing(self) -> bool:
        """Whether the same service may succeed later."""
        return (self.error_class, self.code) in _PASSING


def decode_service_error(content: bytes) -> ServiceError:
    """A ServiceError.

    Raises:
        RemoteProtocolError: it is none.
    """
    found = fields(content)
    kind = single(required(found, 0xA0, "the class of an error"))
    told = found.get(0x82)
    return ServiceError(kind.tag & 0x1F, integer(kind.content), "" if told is None else text(told)[:256])


def encode_service_error(error: ServiceError) -> bytes:
    """A ServiceError's content."""
    return tlv(0xA0, number(0x80 | error.error_class, error.code))
