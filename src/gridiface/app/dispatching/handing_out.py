"""What a control step's set-points are sorted by, and which controls another authority changes. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gridiface.aggregation.engine import Engine
from gridiface.domain.channels import DeviceChannel
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ServiceClass, Setpoint
from gridiface.domain.timeline import TERMINAL, state_at

_log = logging.getLogger("gridiface.dispatch")


def by_channel(
    channels: Sequence[DeviceChannel], setpoints: Iterable[Setpoint]
) -> list[tuple[DeviceChannel, list[Setpoint]]]:
    """Set-points by channel and service class, so that a slow class does not hold up a fast one."""
    sorted_out: dict[tuple[int, ServiceClass], list[Setpoint]] = {}
    for setpoint in setpoints:
        for index, channel in enumerate(channels):
            if channel.serves(setpoint.device_id):
                sorted_out.setdefault((index, setpoint.service_class), []).append(setpoint)
                break
        else:
            _log.warning("no channel leads to device %s; its set-point was not sent", setpoint.device_id)
    return [(channels[index], batch) for (index, _), batch in sorted_out.items()]


def ranked_anew(engine: Engine, control_ids: Iterable[str], authority: float, now: Instant) -> list[Control]:
    """Those of the controls that run, are to run or are defaults and have another authority, with this one."""
    known = [control for name in control_ids if (control := engine.control(name)) is not None]
    return [
        replace(control, source=replace(control.source, authority=authority))
        for control in known
        if control.source.authority != authority and (control.is_default or state_at(control, now) not in TERMINAL)
    ]
