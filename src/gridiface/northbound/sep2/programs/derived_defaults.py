"""Settings for entering service on their way to an inverter: IEEE 2030.5 has them in DefaultDERControl only.

What the engine wants a device to hold is stated in the default control of its own program, beside what the utility
states there. What the utility states in a default that the device fetches stands: it is neither changed nor repeated.
Durable with the set-point that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from gridiface.domain.changes import Change
from gridiface.domain.controls import Setpoint
from gridiface.northbound.sep2.members.placing_programs import empty_default
from gridiface.northbound.sep2.served import documents, identities
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import Program
from gridiface.northbound.sep2.translate.entering import ELEMENTS, entering_elements
from gridiface.protocols.sep2.resources import DefaultDERControl, DERControlBase


@dataclass(frozen=True, slots=True)
class DefaultChange:
    """What becomes of a program's default control: `shown` to clients, `entering` what of it is ours."""

    program: Program
    shown: DefaultDERControl | None
    entering: Mapping[str, int]
    changes: tuple[Change, ...] = ()


class DerivedDefaults:
    """Makes and shows the default controls of inverters' own programs."""

    def __init__(self, services: Services) -> None:
        self._s = services

    def plan(self, setpoint: Setpoint, program: Program, fetches: Iterable[Program]) -> DefaultChange | None:
        """What a set-point changes of the default control of its device's program; None: nothing."""
        stated = {name for one in fetches for name in self._stated(one)}
        wanted = {} if setpoint.release else entering_elements(setpoint.passed)
        ours = {name: value for name, value in wanted.items() if name not in stated}
        if ours == program.entering:
            return None
        return self._changed(program, self.posted(program), ours)

    def beside(self, program: Program, posted: DefaultDERControl | None) -> DefaultChange:
        """What is shown once the utility has posted another default, or none: what is ours stays where it may."""
        ours = {name: value for name, value in program.entering.items() if getattr(posted, name, None) is None}
        return self._changed(program, posted, ours)

    def show(self, change: DefaultChange) -> None:
        """Let clients see what is durable now."""
        change.program.entering = dict(change.entering)
        item = self._s.tree.item(f"{change.program.path}/dderc")
        if item is not None:
            self._s.tree.set(item, change.shown)

    def posted(self, program: Program) -> DefaultDERControl | None:
        """What the utility posted of a program's default control."""
        item = self._s.tree.item(f"{program.path}/dderc")
        shown: DefaultDERControl | None = None if item is None else item.obj
        if shown is None or not program.entering:
            return shown
        if shown.mRID == self._own_mrid(program):
            return None
        return _with(shown, dict.fromkeys(program.entering))

    def _stated(self, program: Program) -> list[str]:
        """The settings that the utility states in a program's default control."""
        default = self.posted(program)
        return [name for name, _ in ELEMENTS.values() if getattr(default, name, None) is not None]

    def _changed(self, program: Program, posted: DefaultDERControl | None, ours: dict[str, int]) -> DefaultChange:
        path = f"{program.path}/dderc"
        if posted is None and not ours:
            gone = documents.delete(documents.DEFAULTS, path)
            return DefaultChange(program, empty_default(self._s.state, program), {}, (gone,))
        base = posted or DefaultDERControl(
            mRID=self._own_mrid(program), description="set-point", derControlBase=DERControlBase()
        )
        item = self._s.tree.item(path)
        before: DefaultDERControl | None = None if item is None else item.obj
        shown = _with(base, {"href": path, "subscribable": None, **ours})
        if before is not None and before.mRID == shown.mRID:
            shown.version = ((before.version or 0) + 1) & 0xFFFF
        head = {"control": program.default_control, "entering": ours}
        return DefaultChange(program, shown, ours, (documents.put(documents.DEFAULTS, path, shown, head),))

    def _own_mrid(self, program: Program) -> str:
        settings = self._s.settings
        return identities.mrid(settings.site, "default", program.mrid, settings.pen)


def _with(default: DefaultDERControl, elements: Mapping[str, Any]) -> DefaultDERControl:
    """A copy with other elements."""
    changed = copy(default)
    for name, value in elements.items():
        setattr(changed, name, value)
    return changed
