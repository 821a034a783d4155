"""What a client core is told before it connects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridiface.protocols.sep2.polling import Backoff
from gridiface.protocols.sep2.server_clock import SAFE_QUALITIES

FOLLOWED_LINKS = frozenset(
    {
        "TimeLink",
        "EndDeviceListLink",
        "RegistrationLink",
        "FunctionSetAssignmentsListLink",
        "DERProgramListLink",
        "DERControlListLink",
        "DefaultDERControlLink",
        "DERCurveListLink",
        "DERListLink",
    }
)
"""The links a DER client of CSIP follows."""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What a client knows before it connects.

    Attributes:
        lfdi: own LFDI (40 hexadecimal digits, upper case); sfdi: own SFDI.
        authority: host[:port] of the server; dcap: path of its DeviceCapability.
        pin: the PIN to find in the Registration; None does not check.
        managed: LFDIs of the devices that an aggregator looks after.
        register: POST an EndDevice when the server does not list this client or a device of `sfdis`.
        sfdis: LFDI -> SFDI of managed devices that may be registered.
        categories: LFDI -> deviceCategory, to register with and to know which events are for others.
        links: which links to follow.
        supported: modes (opMod elements) that the devices can do; None for all.
        answers: POST the Responses that events ask for; False where the shell does.
        others: authorities (host:port) that the server may send the client to as a whole; none is followed else.
        qualities, most_offset: which Times are safe, see server_clock.
        parallel: most requests under way at once.
        backoff: waiting after failures.
    """

    lfdi: str
    sfdi: int
    authority: str
    dcap: str = "/dcap"
    pin: int | None = None
    managed: frozenset[str] = frozenset()
    register: bool = False
    links: frozenset[str] = FOLLOWED_LINKS
    supported: frozenset[str] | None = None
    sfdis: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    answers: bool = True
    others: frozenset[str] = frozenset()
    qualities: frozenset[int] = SAFE_QUALITIES
    most_offset: float | None = None
    parallel: int = 4
    backoff: Backoff = field(default_factory=Backoff)
