"""CSIP-AUS: what the Australian profile adds to the server where it is switched on.

Its four limits are limits of the engine like any other (translate/controls.py). Here are the bit maps that say which of
them a DER takes, the document that names the versions served, and the refusal of it all where it is off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from gridiface.domain.fleet import Capability
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.settings import CsipAusSettings
from gridiface.protocols.sep2.dialects import CSIP_AUS_1_3
from gridiface.protocols.sep2.enums import DOEControlModes, ErrorReason
from gridiface.protocols.sep2.exchange import Reply
from gridiface.protocols.sep2.resources import DERCapability, DERControlBase, DERSettings
from gridiface.protocols.xmlwire import spec_of

WELL_KNOWN = "/.well-known/csipaus"
STORAGE_TARGET = 1
"""Bit 0 of vppModesSupported and vppModesEnabled: opModStorageTargetW."""

_NMI = re.compile(r"[0-9A-HJ-NP-Z]{10}", re.ASCII)  # never O or I
_EXTENSIONS = tuple(f.attr for f in spec_of(DERControlBase).elements if f.extension)
_ALL_LIMITS = int(
    DOEControlModes.EXP_LIM_W | DOEControlModes.IMP_LIM_W | DOEControlModes.GEN_LIM_W | DOEControlModes.LOAD_LIM_W
)


def versions(settings: CsipAusSettings | None) -> Reply:
    """The answer to a GET of the versions served: 404 where the profile is off, 410 where only unversioned 1.2 is."""
    if settings is None:
        return Reply(404, {"Content-Length": "0"})
    if not is_1_3(settings):
        return Reply(410, {"Content-Length": "0"})
    body = json.dumps({"supportedSchemaVersions": {CSIP_AUS_1_3: {"dcap": ["/dcap"]}}}).encode()
    return Reply(200, {"Content-Type": "application/json", "Content-Length": str(len(body))}, body)


def is_1_3(settings: CsipAusSettings | None) -> bool:
    """Whether version 1.3 is served."""
    return settings is not None and "1.3" in settings.versions


def check(base: DERControlBase, settings: CsipAusSettings | None) -> None:
    """Refuse extensions where the profile is off, and those of a version that is not served.

    Raises:
        RemoteProtocolError: 400, reason 1.
    """
    given = [name for name in _EXTENSIONS if getattr(base, name) is not None]
    if given and settings is None:
        raise RemoteProtocolError(f"{given[0]}: CSIP-AUS is switched off", detail=ErrorReason.INVALID_VALUES)
    if settings is not None and not is_1_3(settings) and "opModStorageTargetW" in given:
        raise RemoteProtocolError("opModStorageTargetW belongs to CSIP-AUS 1.3", detail=ErrorReason.INVALID_VALUES)


def is_nmi(text: str) -> bool:
    """Whether it is a National Metering Identifier: ten characters, and perhaps their check digit."""
    body, check = text[:10], text[10:]
    if not _NMI.fullmatch(body) or len(check) > 1:
        return False
    doubled = (ord(c) * (2 if place % 2 == 0 else 1) for place, c in enumerate(reversed(body)))
    digits = sum(int(digit) for value in doubled for digit in str(value))
    return check in {"", str(-digits % 10)}


def limits_of(capabilities: Iterable[Capability]) -> int:
    """The limits (DOEControlType) that a device can keep: all with a set-point, generation with a ceiling."""
    given = frozenset(capabilities)
    if Capability.SET_W in given:
        return _ALL_LIMITS
    generation = int(DOEControlModes.GEN_LIM_W | DOEControlModes.EXP_LIM_W)
    return generation if Capability.LIMIT_W in given else 0


def with_limits(
    wire: DERCapability | DERSettings, limits: int, settings: CsipAusSettings | None, *, storage: bool = False
) -> DERCapability | DERSettings:
    """What we write of a DER, with the bit maps of the profile where it is on."""
    if settings is None:
        return wire
    vpp = STORAGE_TARGET if storage and is_1_3(settings) else None
    if isinstance(wire, DERCapability):
        wire.doeModesSupported, wire.vppModesSupported = limits, vpp
    else:
        wire.doeModesEnabled, wire.vppModesEnabled = limits, vpp
    return wire


def all_limits() -> int:
    """What the total of a group can keep: every limit."""
    return _ALL_LIMITS
