"""How each device's part in a control ended, by the fleet as it was at that instant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gridiface.domain.controls import OutcomeKind


@dataclass(frozen=True, slots=True, eq=False)
class AtItsEnd:
    """The fleet when one control ended. It may be asked later, for some devices at a time.

    Attributes:
        began: whose start was told.
        here: the devices of the fleet.
        group_id, members: the control's target; None: a single device.
        away: who fell silent or failed.
        failures: why devices did not do what they were told.
    """

    began: Collection[str | None]
    here: Collection[str]
    group_id: str | None
    members: Collection[str]
    away: frozenset[str]
    failures: Mapping[str, str]

    def __call__(self, device_ids: Sequence[str]) -> Mapping[tuple[OutcomeKind, str], Sequence[str]]:
        """Those of each kind and reason. Those that were there all the time are told apart at once."""
        began, here, members, away = self.began, self.here, self.members, self.away
        found = dict[tuple[OutcomeKind, str], list[str]]()
        well = [name for name in device_ids if name in began and name in here and name in members and name not in away]
        if well:
            found[OutcomeKind.COMPLETED, ""] = well
        rest = () if len(well) == len(device_ids) else set(device_ids).difference(well)
        for device_id in device_ids if rest else ():
            if device_id in rest:
                found.setdefault(self._of(device_id), []).append(device_id)
        return found

    def _of(self, device_id: str) -> tuple[OutcomeKind, str]:
        gone = ""
        if device_id not in self.here:
            gone = "it left the fleet"
        elif device_id not in self.members:
            gone = f"it left group {self.group_id}"
        if device_id not in self.began:
            return OutcomeKind.FAILED, gone or self.failures.get(device_id, "never acknowledged")
        if gone:
            return OutcomeKind.PARTIAL, gone
        if device_id in self.away:
            return OutcomeKind.PARTIAL, self.failures.get(device_id, "it fell silent")
        return OutcomeKind.COMPLETED, ""
