"""What a simulated unit's meters show, in the registers of its measurement models. Pure."""

from __future__ import annotations

from gridiface.simulation.sunspec.config import UnitConfig
from gridiface.simulation.sunspec.image import RegisterImage
from gridiface.simulation.sunspec.layout import inverter_model
from gridiface.simulation.sunspec.physics import Measured, Unit


def publish(image: RegisterImage, unit: Unit, config: UnitConfig) -> None:
    """Read the unit's meters into 701, 713, the older inverter model, 122 and 124, as far as it has them."""
    seen = unit.measure()
    on = unit.demand.connected
    running = on and abs(unit.w) > 1.0
    places, put = image.places, image.put
    amps = seen.va / (seen.volts * config.phases)
    if 701 in places:
        values = {"W": seen.w, "VA": seen.va, "Var": seen.var, "Hz": seen.hz, "A": amps, "LNV": seen.volts}
        values |= {"ACType": 2 if config.phases == 3 else 0, "St": on, "ConnSt": on, "Alrm": 0, "DERMode": 0}
        values |= {"InvSt": 3 if running else 7 if on else 0, "LLV": seen.volts * 3**0.5}
        values |= {"TotWhInj": unit.injected_wh, "TotWhAbs": unit.absorbed_wh}
        for phase in range(1, config.phases + 1):
            values |= {f"WL{phase}": seen.w / config.phases, f"VL{phase}": seen.volts}
        for name, value in values.items():
            put(701, name, value)
    if 713 in places and seen.soc is not None:
        put(713, "SoC", 100 * seen.soc)
        put(713, "WHAvail", seen.soc * config.energy_wh)
    old = inverter_model(config)
    if old is not None:
        _publish_old(old, image, unit, config, seen, amps)


def _publish_old(
    model_id: int, image: RegisterImage, unit: Unit, config: UnitConfig, seen: Measured, amps: float
) -> None:
    put, on = image.put, unit.demand.connected
    values: dict[str, float] = {"W": seen.w, "VAr": seen.var, "VA": seen.va, "Hz": seen.hz, "A": amps}
    values |= {"AphA": amps, "PhVphA": seen.volts}
    if config.phases == 3:
        values |= {"AphB": amps, "AphC": amps, "PhVphB": seen.volts, "PhVphC": seen.volts}
    values |= {"WH": unit.injected_wh, "TmpCab": 25, "Evt1": 0, "Evt2": 0}
    values |= {"St": 4 if on and abs(unit.w) > 1.0 else 8 if on else 1}
    for name, value in values.items():
        put(model_id, name, value)
    put(122, "ECPConn", 1 if on else 0)
    put(122, "PVConn", 7 if on else 0)
    put(122, "StorConn", 0)
    if unit.soc is None:
        put(122, "WAval", unit.available * config.max_w)
    elif 124 in image.places:
        put(124, "ChaState", 100 * unit.soc)
        put(124, "ChaSt", 4 if seen.w < -1 else 3 if seen.w > 1 else 6)
