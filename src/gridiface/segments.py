"""Names in addresses: peers choose their ids, and any sign may be in one."""

from __future__ import annotations

import re
from urllib.parse import quote

#: "." and ".." as segments are steps of a path, however they are encoded (RFC 3986, 3.3 and 6.2.2.3): they have
#: a "~" before them, and so has one more a name that looks like that.
_DOTS = re.compile(r"~*\.{1,2}")


def segment(name: object) -> str:
    """A name as one segment of a path: also a "/" in it is encoded (RFC 3986, 3.3)."""
    text = str(name)
    return f"~{text}" if _DOTS.fullmatch(text) else quote(text, safe="")


def of_segment(decoded: str) -> str:
    """The name that a decoded segment stands for."""
    return decoded[1:] if decoded.startswith("~") and _DOTS.fullmatch(decoded) else decoded
