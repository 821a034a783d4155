"""One control with what was told about it, and how it ended as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gridiface.aggregation.deciding.arbitration import Claim, claims_of, is_information
from gridiface.domain.controls import FAST, Control, ControlMode, ControlState, ModeValue, OutcomeKind
from gridiface.domain.timeline import TERMINAL

#: What ends a control, or a device's part in it.
FINAL = frozenset(
    {
        OutcomeKind.COMPLETED,
        OutcomeKind.CANCELLED,
        OutcomeKind.SUPERSEDED,
        OutcomeKind.PARTIAL,
        OutcomeKind.FAILED,
        OutcomeKind.REFUSED,
    }
)


@dataclass(slots=True)
class Entry:
    """One control with what was told about it. `concerned`: devices whose part in it we report ourselves."""

    control: Control
    concerned: tuple[str, ...] = ()
    told: dict[OutcomeKind, set[str | None]] = field(default_factory=dict)
    ended: set[str | None] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    short: bool = False
    resumed: bool = False

    @property
    def live(self) -> bool:
        """Whether it is neither over nor refused."""
        return self.control.state not in TERMINAL

    @property
    def active(self) -> bool:
        """Whether it runs now."""
        return self.control.state is ControlState.ACTIVE

    def reported(self, device_ids: Iterable[str]) -> list[str]:
        """Those of the devices whose part is told one by one; none in the fast services (see `FAST`)."""
        return [] if self.control.service_class in FAST else list(device_ids)

    @property
    def claims(self) -> list[Claim]:
        """The modes it still claims; a test claims none: it is answered and recorded, and moves nobody."""
        if self.control.is_test:
            return []
        return [claim for claim in claims_of(self.control) if claim.kind not in self.dead]

    @property
    def values(self) -> Mapping[ControlMode, ModeValue]:
        """What it still claims; of the curves that it carries all or none."""
        return (
            {claim.mode: self.control.values[claim.mode] for claim in self.claims} if self.dead else self.control.values
        )

    def started(self, device_id: str | None) -> bool:
        """Whether the start was told for this device (None: for the control as a whole)."""
        return device_id in self.told.get(OutcomeKind.STARTED, ())


@dataclass(frozen=True, slots=True)
class Lost:
    """Modes of a control that another one took for good, while the control goes on with others."""

    control: Control
    modes: tuple[ControlMode, ...]
    by: str


def whole(entry: Entry) -> tuple[OutcomeKind, str]:
    """How a control that ends now did as a whole.

    Where no start was told it depends on the devices whose part ends only now.
    """
    if entry.started(None):
        short = (OutcomeKind.PARTIAL, "less than requested could be allocated")
        return short if entry.short else (OutcomeKind.COMPLETED, "")
    left = [device_id for device_id in entry.concerned if device_id not in entry.ended]
    if left and not any(map(entry.started, left)):
        return OutcomeKind.FAILED, "no device carried it out"
    if entry.short:
        return OutcomeKind.PARTIAL, "less than requested could be allocated"
    if not left and not is_information(entry.control):
        return OutcomeKind.FAILED, "no device reported that it carried it out"
    return OutcomeKind.COMPLETED, ""
