"""What IEEE 2030.5 (section 7) says in DNS-SD: the service, its subtypes, the keys of its TXT record.

Owns the words; who announces and who asks is protocols.dnssd's. One instance stands for the server, one more for each
function set (its subtype), and on demand one for each end device (`edev-` and its SFDI).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gridiface.protocols.dnssd.browser import Found
from gridiface.protocols.dnssd.messages import Name
from gridiface.protocols.dnssd.zone import Instance
from gridiface.protocols.sep2.exchange import LEVELS

SERVICE: Name = (b"_smartenergy", b"_tcp")
DOMAINS = {"mdns": b"local", "xmdns": b"site"}

#: Subtype -> the resource at which its function set begins.
SUBTYPES = {
    "bill": "/bill",
    "derp": "/derp",
    "dr": "/dr",
    "edev": "/edev",
    "file": "/file",
    "msg": "/msg",
    "mup": "/mup",
    "ppy": "/ppy",
    "rsps": "/rsps",
    "sdev": "/sdev",
    "tm": "/tm",
    "tp": "/tp",
    "upt": "/upt",
}
_OF_DEVICE = "edev-"
_SFDI_DIGITS = 12


def sfdi_subtype(sfdi: int) -> str:
    """The subtype of the server that has an end device: its SFDI in 12 digits."""
    return f"{_OF_DEVICE}{sfdi:012d}"


def server_text(https_port: int, path: str | None = None, *, dcap: str = "/dcap", level: str = "-S1") -> dict[str, str]:
    """The TXT record: txtvers first; `path` in the answers of subtypes only; no port where it is 443."""
    text = {"txtvers": "1", "dcap": dcap}
    if path is not None:
        text["path"] = path
    return text | {"https": "" if https_port == 443 else str(https_port), "level": level}


def instances(label: str, https_port: int, served: Iterable[str], *, level: str = "-S1") -> Iterator[Instance]:
    """The server, then the function sets among `served` (subtypes)."""
    yield Instance(label, server_text(https_port, level=level))
    for subtype in served:
        text = server_text(https_port, SUBTYPES[subtype], level=level)
        yield Instance(f"{label} {subtype}", text, subtype)


def on_demand(
    label: str, https_port: int, path_of: Callable[[str | int], str | None], *, level: str = "-S1"
) -> Callable[[str], Instance | None]:
    """The instance of an end device, or of a function set that is not announced, by subtype or by its own label.

    Args:
        path_of: path of a subtype, or of the end device of an SFDI (int); None where it is not served.
    """

    def find(asked: str) -> Instance | None:
        subtype = asked.removeprefix(f"{label} ")
        path = path_of(subtype) if subtype in SUBTYPES else None
        digits = subtype.removeprefix(_OF_DEVICE)
        if digits != subtype and digits.isascii() and digits.isdigit() and len(digits) <= _SFDI_DIGITS:
            path = path_of(int(digits))
        if path is None:
            return None
        return Instance(f"{label} {subtype}", server_text(https_port, path, level=level), subtype)

    return find


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server that answered: where its DeviceCapability is. `host`: an address where one is known."""

    instance: str
    host: str
    port: int
    dcap: str
    path: str | None = None
    level: str = ""

    @property
    def authority(self) -> str:
        """host:port, as a URI writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_server(found: Found) -> FoundServer | None:
    """What an instance says; None where its TXT record is wrong (other txtvers, no dcap, no level) or without https."""
    text = found.text
    dcap, level = text.get("dcap") or "", (text.get("level") or "").upper()
    if text.get("txtvers") != "1" or not dcap.startswith("/") or level not in LEVELS or "https" not in text:
        return None
    port = _port(text["https"])
    if port is None:
        return None
    host = str(found.addresses[0]) if found.addresses else found.host
    return FoundServer(found.instance, host, port, dcap, text.get("path"), level)


def _port(text: str | None) -> int | None:
    if not text:
        return 443
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536 else None
