"""What a device was told and still holds: merging, the dead-band, when it must be told again. Pure.

A Setpoint leaves quantities alone that it does not name, so what a device holds is the sum of what it was told, but for
what it was told to let go of. The `let_go` of what is held says what the device surely does not hold.
"""

from __future__ import annotations

from dataclasses import replace

from gridiface.domain.controls import ControlMode, Setpoint


def merged(held: Setpoint | None, new: Setpoint) -> Setpoint:
    """What the device holds after `new`: its values, and the held ones where it names none."""
    if held is None or new.release:
        return new
    held = without(held, new.let_go)
    whole = replace(
        new,
        active_power_w=held.active_power_w if new.active_power_w is None else new.active_power_w,
        ceiling_w=held.ceiling_w if new.ceiling_w is None else new.ceiling_w,
        reactive_power_var=held.reactive_power_var if new.reactive_power_var is None else new.reactive_power_var,
        connect=held.connect if new.connect is None else new.connect,
        energize=held.energize if new.energize is None else new.energize,
        passed={**held.passed, **new.passed},
    )
    return replace(whole, let_go=(held.let_go | new.let_go) - _named(new))


def without(held: Setpoint, modes: frozenset[ControlMode]) -> Setpoint:
    """What is left of a set-point when these are let go of."""
    if not modes:
        return held
    return replace(
        held,
        active_power_w=None if ControlMode.SET_W in modes else held.active_power_w,
        ceiling_w=None if ControlMode.MAX_W_PERCENT in modes else held.ceiling_w,
        reactive_power_var=None if ControlMode.SET_VAR in modes else held.reactive_power_var,
        connect=None if ControlMode.CONNECT in modes else held.connect,
        energize=None if ControlMode.ENERGIZE in modes else held.energize,
        passed={mode: value for mode, value in held.passed.items() if mode not in modes},
    )


def _named(setpoint: Setpoint) -> frozenset[ControlMode]:
    """What a set-point asks for, in the words of `Setpoint.let_go`."""
    named = {
        ControlMode.SET_W: setpoint.active_power_w,
        ControlMode.MAX_W_PERCENT: setpoint.ceiling_w,
        ControlMode.SET_VAR: setpoint.reactive_power_var,
        ControlMode.CONNECT: setpoint.connect,
        ControlMode.ENERGIZE: setpoint.energize,
    }
    return frozenset(mode for mode, value in named.items() if value is not None) | setpoint.passed.keys()


def covers(new: Setpoint, held: Setpoint | None) -> bool:
    """Whether `new` names every quantity that is held, so that every timer of the device starts anew."""
    if held is None or new.release:
        return True
    held = without(held, new.let_go)
    return (
        (held.active_power_w is None or new.active_power_w is not None)
        and (held.ceiling_w is None or new.ceiling_w is not None)
        and (held.reactive_power_var is None or new.reactive_power_var is not None)
        and (held.connect is None or new.connect is not None)
        and (held.energize is None or new.energize is not None)
        and (not held.passed or new.passed.keys() >= held.passed.keys())
    )


def _near(held: float | None, new: float | None, band: float) -> bool:
    """Within the band; but 0, and a change of direction, are always sent."""
    if new is None or new == held:
        return True
    if held is None or new == 0 or (new > 0) != (held > 0):
        return False
    return abs(new - held) <= band


def _ceiling_near(held: float | None, new: float | None, band: float) -> bool:
    """A limit that tightens is always sent; one that loosens may wait inside the band."""
    if new is None or new == held:
        return True
    return held is not None and held <= new <= held + band


def unchanged(held: Setpoint | None, new: Setpoint, band: float) -> bool:
    """Whether the device already holds what `new` says, within `band` W (or var), and nothing that it lets go of."""
    if held is None or new.release != held.release:
        return False
    return (
        _near(held.active_power_w, new.active_power_w, band)
        and new.let_go <= held.let_go
        and _ceiling_near(held.ceiling_w, new.ceiling_w, band)
        and _near(held.reactive_power_var, new.reactive_power_var, band)
        and new.connect in (None, held.connect)
        and new.energize in (None, held.energize)
        and all(held.passed.get(mode) == value for mode, value in new.passed.items())
    )
