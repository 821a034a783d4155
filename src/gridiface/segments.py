"""Names in addresses: peers choose their ids, and any sign may be in one."""

from __future__ import annotations

from urllib.parse import quote


def segment(name: object) -> str:
    """A name as one segment of a path: also a "/" in it is encoded (RFC 3986, 3.3)."""
    return quote(str(name), safe="")
