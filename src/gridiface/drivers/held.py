"""What a device was told and still holds: merging, the dead-band, when it must be told again. Pure.

A Setpoint leaves quantities alone that it does not name, so what a device holds is the sum of what it was told.
"""

from __future__ import annotations

from dataclasses import replace

from gridiface.domain.controls import Setpoint


def merged(held: Setpoint | None, new: Setpoint) -> Setpoint:
    """What the device holds after `new`: its values, and the held ones where it names none."""
    if held is None or new.release:
        return new
    return replace(
        new,
        active_power_w=held.active_power_w if new.active_power_w is None else new.active_power_w,
        ceiling_w=held.ceiling_w if new.ceiling_w is None else new.ceiling_w,
        reactive_power_var=held.reactive_power_var if new.reactive_power_var is None else new.reactive_power_var,
        connect=held.connect if new.connect is None else new.connect,
        energize=held.energize if new.energize is None else new.energize,
        passed={**held.passed, **new.passed},
    )


def covers(new: Setpoint, held: Setpoint | None) -> bool:
    """Whether `new` names every quantity that is held, so that every timer of the device starts anew."""
    if held is None or new.release:
        return True
    pairs = (
        (held.active_power_w, new.active_power_w),
        (held.ceiling_w, new.ceiling_w),
        (held.reactive_power_var, new.reactive_power_var),
        (held.connect, new.connect),
        (held.energize, new.energize),
    )
    return all(old is None or now is not None for old, now in pairs) and new.passed.keys() >= held.passed.keys()


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
    """Whether the device already holds what `new` says, within `band` W (or var)."""
    if held is None or new.release != held.release:
        return False
    return (
        _near(held.active_power_w, new.active_power_w, band)
        and _ceiling_near(held.ceiling_w, new.ceiling_w, band)
        and _near(held.reactive_power_var, new.reactive_power_var, band)
        and new.connect in (None, held.connect)
        and new.energize in (None, held.energize)
        and all(held.passed.get(mode) == value for mode, value in new.passed.items())
    )
