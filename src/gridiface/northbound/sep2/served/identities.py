"""Names that the server makes: mRIDs, and LFDIs of devices that have no certificate. Pure.

Both end in the operator's private enterprise number, in hex; both follow from what they name, so that a server set
up again from the same configuration gives the same names.
"""

from __future__ import annotations

import hashlib

from gridiface.pki.identity import sfdi_from_lfdi


def derived_lfdi(site: str, kind: str, name: str, pen: int) -> str:
    """An LFDI for a device or group without a certificate: 128 bits of a hash, then the PEN; 40 hex digits."""
    return _digest(site, kind, name)[:32] + f"{pen:08X}"


def sfdi(lfdi: str) -> int:
    """The SFDI that belongs to an LFDI in hex."""
    return sfdi_from_lfdi(bytes.fromhex(lfdi))


def mrid(site: str, kind: str, name: str, pen: int) -> str:
    """An mRID: 96 bits of a hash, then the PEN; 32 hex digits."""
    return _digest(site, kind, name)[:24] + f"{pen:08X}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest().upper()
