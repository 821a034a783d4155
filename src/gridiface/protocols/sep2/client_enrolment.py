"""Whether a client is registered at a server, and with the right one. Pure.

Owns the check of the PIN and which EndDevices are to be posted where a server takes registrations in band. The wrong
PIN means the wrong server: it must not be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gridiface.protocols.sep2.resources import EndDevice, Registration


@dataclass(slots=True)
class Enrolment:
    """The registration of one client and of the devices that it manages.

    Attributes:
        lfdi, sfdi: the client's own; pin: what its Registration must show, None checks nothing.
        sfdis: LFDI -> SFDI of the managed devices that may be posted.
        categories: LFDI -> deviceCategory bits to post with.
        posting: whether to post what the server does not list.
        checked: whether the PIN was found right; refused: whether it was found wrong.
    """

    lfdi: str
    sfdi: int
    pin: int | None = None
    sfdis: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    posting: bool = False
    checked: bool = False
    refused: bool = False
    posted: set[str] = field(default_factory=set)

    @property
    def trusted(self) -> bool:
        """Whether controls of this server may be acted on."""
        return not self.refused and (self.pin is None or self.checked)

    def check(self, registration: Registration) -> bool | None:
        """Compare the PIN of the client's own Registration; None where there is none to compare."""
        if self.pin is None:
            return None
        self.checked = registration.pIN == self.pin
        self.refused = not self.checked
        return self.checked

    def missing(self, listed: Iterable[EndDevice], time: float) -> list[EndDevice]:
        """The EndDevices to post now, the client's own first; each is given once until `again`.

        Args:
            listed: what the server shows.
            time: the server's, s since 1970 UTC.
        """
        if not self.posting:
            return []
        known = {device.lFDI for device in listed}
        wanted = {self.lfdi: self.sfdi, **self.sfdis}
        # Devices are posted by a client that the server knows.
        first = wanted if self.lfdi in known else (self.lfdi,)
        missing = [lfdi for lfdi in first if lfdi not in known and lfdi not in self.posted]
        self.posted.update(missing)
        return [
            EndDevice(
                lFDI=lfdi, sFDI=wanted[lfdi], deviceCategory=self.categories.get(lfdi) or None, changedTime=int(time)
            )
            for lfdi in missing
        ]

    def again(self) -> None:
        """What was refused may be taken now: post what is missing once more."""
        self.posted.clear()
