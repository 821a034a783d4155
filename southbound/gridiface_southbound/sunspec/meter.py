"""SunSpec meters, models 201 to 204 and 211 to 214: which one a device has, and what it says. Pure.

Makers differ in which direction of power is positive, so the configuration says it. Currents are told as the device
does: most count them without a direction.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import DeviceKind, Nameplate
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.errors import DeviceRejected
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.functions import Blocks
from gridiface_southbound.sunspec.models import METER_MODELS, Block
from gridiface_southbound.sunspec.scan import DeviceMap, ModelPlace

#: A device that has one of these is an inverter, whatever meter stands beside it in its map.
_INVERTERS = (701, 103, 113, 102, 112, 101, 111)

_VOLTS = {Phase.AN: ("PhVphA",), Phase.BN: ("PhVphB",), Phase.CN: ("PhVphC",)} | {
    # 203 and 204 call the voltages between phases otherwise than the others.
    Phase.AB: ("PPVphAB", "PhVphAB"),
    Phase.BC: ("PPVphBC", "PhVphBC"),
    Phase.CA: ("PPVphCA", "PhVphCA"),
}
_PHASES = (Phase.A, Phase.B, Phase.C)
_WATTS = dict(zip(_PHASES, (("WphA",), ("WphB",), ("WphC",)), strict=True))
_VARS = dict(zip(_PHASES, (("VARphA",), ("VARphB",), ("VARphC",)), strict=True))
_AMPS = dict(zip(_PHASES, (("AphA",), ("AphB",), ("AphC",)), strict=True))


def meter_in(found: DeviceMap, kind: DeviceKind | None) -> ModelPlace | None:
    """The meter that this device is: of a map with an inverter only where the configuration says `meter`.

    Raises:
        DeviceRejected: the configuration says `meter` and there is none.
    """
    place = found.first(*METER_MODELS)
    if kind is DeviceKind.METER and place is None:
        raise DeviceRejected("kind is meter, and the device has no meter model (201 to 204, 211 to 214)")
    return place if kind is DeviceKind.METER or found.first(*_INVERTERS) is None else None


def nameplate(blocks: Blocks, config: SunSpecConfig) -> Nameplate:
    """Who it is; a meter can do nothing, and has no rating unless one is configured.

    Raises:
        DeviceRejected: the configuration does not say what the meter counts as positive.
    """
    if config.meter_positive is None:
        raise DeviceRejected("the device is a meter: set meter_positive to the direction it counts as positive")
    common = blocks.get(1)
    return Nameplate(
        max_w=config.rating_w or 0.0,
        manufacturer=common.text("Mn") if common else "",
        model=common.text("Md") if common else "",
        serial=common.text("SN") if common else "",
        version=common.text("Vr") if common else "",
    )


def snapshot(device_id: str, block: Block, config: SunSpecConfig, *, now: Instant) -> Snapshot:
    """What the meter says; one without its power is not to be believed."""
    sign = -1.0 if config.meter_positive == "taken" else 1.0
    phase_w = _by_phase(block, _WATTS, sign)
    watts = block.value("W")
    if watts is not None:
        watts = sign * watts + 0.0
    elif phase_w:
        watts = sum(phase_w.values())
    var = block.value("VAR")
    return Snapshot(
        device_id=device_id,
        source_time=now,
        received=now,
        quality=Quality.BAD if watts is None else Quality.GOOD,
        w=watts,
        var=None if var is None else sign * var + 0.0,
        va=block.value("VA"),
        hz=block.value("Hz"),
        volts=_by_phase(block, _VOLTS, 1.0),
        amps=_by_phase(block, _AMPS, 1.0),
        phase_w=phase_w,
        phase_var=_by_phase(block, _VARS, sign),
        alarms=block.bits("Evt"),
    )


def _by_phase(block: Block, names: Mapping[Phase, tuple[str, ...]], sign: float) -> dict[Phase, float]:
    found: dict[Phase, float] = {}
    for phase, candidates in names.items():
        for name in candidates:
            if name in block.model.points and (value := block.value(name)) is not None:
                found[phase] = sign * value + 0.0
    return found
