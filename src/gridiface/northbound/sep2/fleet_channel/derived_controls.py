"""Controls that the server makes of set-points: what an inverter is told, and whether it is told that already.

Makes and compares; what is published when, and what gives way to what, is fleet_channel.py's and planned.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Setpoint
from gridiface.northbound.sep2.fleet_channel.own_controls import CEILINGS, parents_of
from gridiface.northbound.sep2.fleet_channel.parents import ENDS_ANYWAY_S
from gridiface.northbound.sep2.programs.curves import Curves
from gridiface.northbound.sep2.programs.programs import Programs
from gridiface.northbound.sep2.served import identities
from gridiface.northbound.sep2.served.event_clock import event_document
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import EventRecord, Program
from gridiface.northbound.sep2.translate.setpoints import (
    InverterModes,
    base_ceiling_w,
    base_power_w,
    modes_of_inverter,
    setpoint_to_base,
)
from gridiface.protocols.sep2.enums import ResponseRequired
from gridiface.protocols.sep2.resources import (
    CurveData,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERCurve,
    EventStatus,
)

#: Asked of an inverter where the control behind a set-point did not come over IEEE 2030.5.
_LIFE_CYCLE = int(ResponseRequired.RECEIVED | ResponseRequired.SPECIFIC)


class DerivedControls:
    """Makes controls of set-points.

    Args:
        services: state, settings.
        programs: how a control is made and shown.
        curves: where curves are served.
    """

    def __init__(self, services: Services, programs: Programs, curves: Curves) -> None:
        self._s = services
        self._programs = programs
        self._curves = curves

    def inverter(self, device_id: str) -> InverterModes:
        """What the inverter said that it can be told."""
        record = self._s.state.by_device[device_id]
        profile = self._s.settings.csip_aus is not None
        return modes_of_inverter(self._s.stated(record, "dercap"), self._s.stated(record, "derg"), csip_aus=profile)

    def base_of(
        self, program: Program, setpoint: Setpoint, owned: frozenset[str], curves: list[DERCurve], changes: list[Change]
    ) -> DERControlBase | None:
        """What the inverter is told of a set-point, without the modes `owned` by posted controls; None: nothing."""
        inverter = self.inverter(setpoint.device_id)
        base = setpoint_to_base(setpoint, inverter, lambda _, p: self._curve(program, p, curves, changes))
        for name in CEILINGS & owned:
            setattr(base, name, None)
        return None if base == DERControlBase(rampTms=base.rampTms) else base

    def _curve(self, program: Program, payload: Any, curves: list[DERCurve], changes: list[Change]) -> str:
        """The place of a curve in the inverter's program: the one that is there, or a new one."""
        settings = self._s.settings
        mrid = identities.mrid(settings.site, "dc", f"{program.mrid}/{sorted(payload.items())!r}", settings.pen)
        listing = self._s.tree.listing(f"{program.path}/dc")
        for item in listing.items.values() if listing is not None else ():
            if item.obj.mRID == mrid:
                return item.path
        curve = DERCurve(mRID=mrid, **_rebuilt(payload))
        path, change = self._curves.make(program, curve)
        curves.append(curve)
        changes += change
        return path

    def make(
        self, program: Program, base: DERControlBase, parents: tuple[str, ...], span: tuple[int, int], now: Instant
    ) -> tuple[EventRecord, list[Change]]:
        """A control of the device's program over `span`, its start and end, with what has to be stored."""
        second, settings = int(now), self._s.settings
        number, changes = self._s.state.counters.take(f"derc/{program.number}")
        unique = identities.mrid(settings.site, "derc", f"{program.mrid}/{number}", settings.pen)
        event = DERControl(
            # Of two made in the same second the later has the greater mRID, and so supersedes.
            mRID=f"{number:012X}{unique[12:]}",
            description="set-point",
            creationTime=second,
            eventStatus=EventStatus(currentStatus=0, dateTime=second, potentiallySuperseded=False),
            interval=DateTimeInterval(start=span[0], duration=span[1] - span[0]),
            derControlBase=base,
            responseRequired=self._responses_wanted(parents),
        )
        event = self._programs.prepared(event, program, second)
        event.href = f"{program.path}/derc/{number}"
        record = self._programs.make_record(event, program, parents=parents)
        return record, [*changes, event_document(record)]

    def _responses_wanted(self, parents: tuple[str, ...]) -> int:
        """What the controls behind the set-point want to hear; the life cycle where that is not known.

        A customer's opt-out is asked for in any case: whose share others take is to be known.
        """
        wanted: int = ResponseRequired.CUSTOMER
        known = self._s.state.parents_in(parents)
        for parent in known:
            wanted |= parent.item.obj.responseRequired or 0
        return wanted if len(known) == len(parents) and known else wanted | _LIFE_CYCLE

    def parents(self, setpoint: Setpoint, program: Program, fetches: Sequence[Program]) -> tuple[str, ...]:
        """The controls behind a set-point that its device does not have from its programs already.

        Its default control is one that it has, as long as the set-point says what the default does.
        """
        found = parents_of(setpoint, fetches, self._s.state.by_control)
        if self._default_holds(setpoint, program):
            return tuple(name for name in found if name != program.default_control)
        return found

    def _default_holds(self, setpoint: Setpoint, program: Program) -> bool:
        """Whether a set-point leaves the default control of the device's own program as it is."""
        item = self._s.tree.item(f"{program.path}/dderc")
        if program.default_control not in setpoint.control_ids or item is None or item.obj is None:
            return False
        base: DERControlBase = item.obj.derControlBase
        inverter = self.inverter(setpoint.device_id)
        ceiling = base_ceiling_w(base, inverter)
        told = (setpoint.active_power_w, base_power_w(base, inverter)), (setpoint.ceiling_w, ceiling)
        alone, band = len(setpoint.control_ids) == 1, self._dead_band(inverter)
        return all(
            abs(wanted - asked) <= band if asked is not None else not alone
            for wanted, asked in told
            if wanted is not None
        )

    def unchanged(
        self, setpoint: Setpoint, running: EventRecord, base: DERControlBase, parents: tuple[str, ...], until: int
    ) -> bool:
        """Whether the inverter may go on with the control it has, in place of one of `base` that ends at `until`."""
        event, valid_until = running.item.obj, setpoint.valid_until
        inverter = self.inverter(setpoint.device_id)
        cut = valid_until is not None and until < valid_until - ENDS_ANYWAY_S
        if running.parents != parents or (cut and running.end > until):
            return False
        if valid_until is not None and running.end < until - ENDS_ANYWAY_S:
            return False
        old, new = base_power_w(event.derControlBase, inverter), base_power_w(base, inverter)
        if old is not None and new is not None:
            same_rest = _without_power(event.derControlBase) == _without_power(base)
            return same_rest and abs(old - new) <= self._dead_band(inverter)
        return bool(event.derControlBase == base)

    def _dead_band(self, inverter: InverterModes) -> float:
        channel = self._s.settings.channel
        return max(channel.dead_band_w, channel.dead_band_rel * inverter.max_w)


def _without_power(base: DERControlBase) -> DERControlBase:
    return replace(base, opModTargetW=None, opModFixedW=None)


def _rebuilt(payload: dict[str, Any]) -> dict[str, Any]:
    points = [CurveData(**point) for point in payload.get("curveData", [])]
    return {**payload, "curveData": points}
