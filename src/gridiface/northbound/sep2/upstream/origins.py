"""Whom a session's controls concern, by what authority, on which clock, and where their curves are."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from gridiface.domain.controls import TargetKind
from gridiface.domain.ports import FleetView
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.translate.ratings import can_enter, stores_energy
from gridiface.northbound.sep2.translate.upstream import Origin
from gridiface.northbound.sep2.upstream.settings import UpstreamSettings
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.enums import CURVE_MODES, ErrorReason
from gridiface.protocols.sep2.followed import Followed
from gridiface.protocols.sep2.resources import DefaultDERControl, DERControlBase, DERCurve, DERCurveList, DERProgram
from gridiface.protocols.xmlwire import encode

_MOST_MARKS = 10_000


class CurveUnknown(RemoteProtocolError):
    """A curve's list has not been read yet: try again."""


class Origins:
    """Answers for one session.

    Args:
        settings: of the session.
        fleet: what its members are.
        client: the client core in use.
        server: LFDI of the server, "" while nothing is known of it.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        fleet: FleetView,
        client: Callable[[], Client],
        server: Callable[[], str] = lambda: "",
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._client = client
        self._server = server
        self._targets = settings.targets
        self._marks: dict[int, tuple[DERCurve, str]] = {}

    @property
    def offset(self) -> float:
        """Server's clock - ours, s; 0 while it is not known."""
        return self._client().clock_offset or 0.0

    def origin(self, lfdi: str) -> Origin:
        """Where controls of a device come from.

        Raises:
            KeyError: the session does not stand for it.
        """
        target = self._targets[lfdi]
        members = [target.id] if target.kind is TargetKind.DEVICE else self._fleet.members(target.id)
        devices = [device for name in members if (device := self._fleet.device(name)) is not None]
        return Origin(
            upstream=self._settings.name,
            identity=self._server(),
            lfdi=lfdi,
            target=target,
            storage=bool(devices) and all(stores_energy(device) for device in devices),
            authority=self._settings.authority_base,
            offset=self.offset,
            enters=can_enter(devices),
        )

    def curves(self, lfdi: str, program: str) -> Callable[[str], DERCurve | None]:
        """Finds the curves of a program of a device by their href.

        The function raises CurveUnknown while they are still to be read.
        """

        def find(href: str) -> DERCurve | None:
            tree = self._client().tree
            path, known = tree.resolve(href), self._program(lfdi, program)
            if path is None or known is None or known.DERCurveListLink is None:
                return None
            listed = tree.value(known.DERCurveListLink)
            if not isinstance(listed, DERCurveList):
                raise CurveUnknown("its curves have not been read", detail=ErrorReason.INVALID_VALUES)
            return next((curve for curve in listed.members if curve.href and tree.resolve(curve.href) == path), None)

        return find

    def curves_mark(self, lfdi: str, followed: Followed, before: str = "") -> str:
        """What is another text when a curve of an event becomes another one; see `default_mark`."""
        base = getattr(followed.event, "derControlBase", DERControlBase())
        return self._marks_of(base, lfdi, followed.facts.program, before)

    def default_mark(self, default: DefaultDERControl, lfdi: str, program: str) -> str:
        """What is another text when a curve that a default control links to becomes another one; "" without curves."""
        return self._marks_of(default.derControlBase, lfdi, program, "")

    def _marks_of(self, base: DERControlBase, lfdi: str, program: str, before: str) -> str:
        """`before` while it cannot be told: a curve is still to be read, or is not there (any more)."""
        linked = [link for name in CURVE_MODES if (link := getattr(base, name)) is not None]
        find = self.curves(lfdi, program)
        try:
            found = [find(link.href) for link in linked]
        except CurveUnknown:
            return before
        return before if None in found else ".".join(self._mark(curve) for curve in found if curve is not None)

    def _mark(self, curve: DERCurve) -> str:
        """A curve is read once and shared by all that link to it; so it is marked once."""
        known = self._marks.get(id(curve))
        if known is None or known[0] is not curve:
            if len(self._marks) >= _MOST_MARKS:
                self._marks.clear()
            known = self._marks[id(curve)] = (curve, blake2b(encode(curve), digest_size=8).hexdigest())
        return known[1]

    def _program(self, lfdi: str, mrid: str) -> DERProgram | None:
        device = self._client().devices[lfdi]
        programs = () if device.end_device is None else self._client().followers.programs_of(device.end_device)
        return next((program for program in programs if program.mRID == mrid), None)
