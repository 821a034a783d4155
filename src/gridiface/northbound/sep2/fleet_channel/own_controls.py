"""What a utility asks in the programs that a device fetches, and what is left of a set-point beside it.

A posted control of the device's own program, or of a node above it, is fetched by the device itself. A control that
the server derives from a set-point never carries what a posted one carries: opModTargetW and opModFixedW are one
family, and so are opModTargetVar and opModFixedVar; a ceiling belongs to the first where it stands in for a
set-point. Does not publish anything (fleet_channel.py does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.northbound.sep2.served.event_clock import facts_of_record, stands
from gridiface.northbound.sep2.served.state_records import EventRecord, Program
from gridiface.protocols.sep2.events import modes_of
from gridiface.protocols.sep2.resources import DERControlBase

_POWER = frozenset({"opModTargetW", "opModFixedW"})
#: What a ceiling is told by: the second to clients of CSIP-AUS that have no other.
CEILINGS = frozenset({"opModMaxLimW", "opModGenLimW"})
_VAR = frozenset({"opModTargetVar", "opModFixedVar"})
_PASSED: Mapping[ControlMode, str] = {
    ControlMode.POWER_FACTOR_ABSORB: "opModFixedPFAbsorbW",
    ControlMode.POWER_FACTOR_INJECT: "opModFixedPFInjectW",
    ControlMode.FREQUENCY_DROOP: "opModFreqDroop",
}


def families(modes: Iterable[str]) -> frozenset[str]:
    """These modes and those that say the same in other words."""
    found = frozenset(modes)
    for family in (_POWER, _VAR):
        if found & family:
            found |= family
    return found


def derived_modes(base: DERControlBase, setpoint: Setpoint) -> frozenset[str]:
    """The modes that a derived control concerns; a ceiling that stands in for a power is one of the powers."""
    modes = modes_of(base)
    if setpoint.active_power_w is not None and CEILINGS & modes and not modes & _POWER:
        modes |= _POWER
    return families(modes)


def _posted(programs: Iterable[Program]) -> Iterator[EventRecord]:
    """The controls of the utility that are neither cancelled or superseded nor over."""
    for program in programs:
        for record in (*program.events.values(), *program.posting):
            if not record.server_made and stands(record):
                yield record


def taken(programs: Iterable[Program], now: Instant) -> frozenset[str]:
    """What posted controls of the program carry now, with their families."""
    second = int(now)
    found: set[str] = set()
    for record in _posted(programs):
        facts = facts_of_record(record)
        if facts.earliest_start <= second < facts.latest_end:
            found |= facts.modes
    return families(found)


def first_conflict(programs: Iterable[Program], modes: frozenset[str], now: Instant) -> int | None:
    """When the next posted control that carries one of these modes begins, after `now`; None: none is ahead."""
    ahead = (facts_of_record(record) for record in _posted(programs))
    return min(
        (facts.earliest_start for facts in ahead if facts.earliest_start > int(now) and families(facts.modes) & modes),
        default=None,
    )


def next_edge(programs: Iterable[Program], now: Instant) -> int | None:
    """When a posted control of the program begins or ends next; None: none will."""
    edges = (
        edge for r in _posted(programs) for edge in (facts_of_record(r).earliest_start, facts_of_record(r).latest_end)
    )
    return min((edge for edge in edges if edge > int(now)), default=None)


def parents_of(
    setpoint: Setpoint, programs: Iterable[Program], by_control: Mapping[str, EventRecord]
) -> tuple[str, ...]:
    """The controls behind a set-point but those that are in the programs themselves: for these the device answers.

    One that is on its way into a program, asked of the engine and not yet shown, counts as there.
    """
    fetched = list(programs)
    numbers = {program.number for program in fetched}
    coming = {name for program in fetched for record in program.posting for name in record.control_names}
    return tuple(
        name
        for name in setpoint.control_ids
        if name not in coming and ((record := by_control.get(name)) is None or record.program not in numbers)
    )


def without(setpoint: Setpoint, modes: frozenset[str]) -> Setpoint:
    """What is left of a set-point when these modes are not to be told. A pure ceiling is left as it is."""
    if not modes:
        return setpoint
    return replace(
        setpoint,
        active_power_w=None if modes & _POWER else setpoint.active_power_w,
        ceiling_w=None if "opModMaxLimW" in modes else setpoint.ceiling_w,
        reactive_power_var=None if modes & _VAR else setpoint.reactive_power_var,
        connect=None if "opModConnect" in modes else setpoint.connect,
        energize=None if "opModEnergize" in modes else setpoint.energize,
        passed=_passed_without(setpoint.passed, modes),
    )


def _passed_without(passed: Mapping[ControlMode, ModeValue], modes: frozenset[str]) -> Mapping[ControlMode, ModeValue]:
    left = {mode: value for mode, value in passed.items() if _PASSED.get(mode) not in modes}
    curves = left.get(ControlMode.CURVE)
    if curves is not None and isinstance(curves.payload, Mapping):
        kept = {name: curve for name, curve in curves.payload.items() if name not in modes}
        if kept:
            left[ControlMode.CURVE] = replace(curves, value=float(len(kept)), payload=kept)
        else:
            del left[ControlMode.CURVE]
    return left
