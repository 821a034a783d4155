"""Meter values of both versions as watts, volts and per cent. Pure; 1.6 clause 7.28 to 7.33, 2.0.1 part 2 chapter 3.

A charging point counts what vehicles take as positive (Import); here + is delivered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gridiface.domain.quantities import Phase

#: Samples of one message that are looked at.
MAX_SAMPLES = 1000

_UNITS = {"W": 1.0, "kW": 1e3, "var": 1.0, "kvar": 1e3, "V": 1.0, "A": 1.0, "Percent": 0.01, "%": 0.01, "Hz": 1.0}
#: Where a charging point may measure, the nearest to the vehicle first; without a word that is known: the outlet.
_LOCATIONS = ("Outlet", "Body", "Cable", "Inlet", "Upstream")
_FLOWS = {
    "Power.Active.Import": ("w", -1.0),
    "Power.Active.Export": ("w", 1.0),
    "Power.Reactive.Import": ("var", -1.0),
    "Power.Reactive.Export": ("var", 1.0),
    "Current.Import": ("a", -1.0),
    "Current.Export": ("a", 1.0),
}
_PHASES = {"L1": "L1", "L1-N": "L1", "L2": "L2", "L2-N": "L2", "L3": "L3", "L3-N": "L3"}
_DEFAULT_UNITS = {"SoC": "Percent", "Frequency": "Hz", "Voltage": "V", "Current.Import": "A", "Current.Export": "A"}
_NEUTRAL = {Phase.A: Phase.AN, Phase.B: Phase.BN, Phase.C: Phase.CN}
_AMPS = {"L1": Phase.A, "L2": Phase.B, "L3": Phase.C}
_VOLTS = {"L1-N": Phase.AN, "L1": Phase.AN, "L2-N": Phase.BN, "L2": Phase.BN, "L3-N": Phase.CN, "L3": Phase.CN,
          "L1-L2": Phase.AB, "L2-L3": Phase.BC, "L3-L1": Phase.CA}  # fmt: skip


@dataclass(slots=True)
class Measured:
    """What one set of samples says, SI; `amps` + delivered, Phase.ALL where no phase was told."""

    w: float | None = None
    var: float | None = None
    hz: float | None = None
    soc: float | None = None
    volts: dict[Phase, float] = field(default_factory=dict)
    amps: dict[Phase, float] = field(default_factory=dict)

    def power(self, phases: int, volts: float) -> float | None:
        """The active power: as told, else of the currents at the voltages that are told or `volts`; None: neither.

        A current without a phase is only the whole of it where one phase is used.
        """
        if self.w is not None or not self.amps:
            return self.w
        one = self.amps.get(Phase.ALL)
        if one is not None:
            return one * self.volts.get(Phase.AN, volts) if phases == 1 else None
        return sum(amps * self.volts.get(_NEUTRAL[phase], volts) for phase, amps in self.amps.items()) + 0.0


def measured(meter_values: object) -> Measured:
    """All of a message's sets, the last one of each quantity wins; what is no number is left out."""
    found = Measured()
    for samples in _sets(meter_values):
        flows: dict[str, _Parts] = {}
        for sample in samples:
            _take(sample, found, flows)
        for name in ("w", "var"):
            total = _total(_at_one_place(flows.get(name, {})))
            if total is not None:
                setattr(found, name, total + 0.0)
        found.amps |= {_AMPS.get(place, Phase.ALL): amps for place, amps in _at_one_place(flows.get("a", {})).items()}
    return found


#: Values of one quantity by location, measurand and phase: import and export add up, two places of one flow do not.
_Parts = dict[str, dict[tuple[str, str], float]]


def _at_one_place(parts: _Parts) -> dict[str, float]:
    """The values by phase, as measured nearest to the vehicle."""
    located = next((parts[name] for name in _LOCATIONS if name in parts), {})
    found: dict[str, float] = {}
    for (_, phase), value in located.items():
        found[phase] = found.get(phase, 0.0) + value
    return found


def _sets(meter_values: object) -> Iterator[list[dict[str, Any]]]:
    left = MAX_SAMPLES
    for one in meter_values if isinstance(meter_values, list) else ():
        samples = one.get("sampledValue") if isinstance(one, dict) else None
        if isinstance(samples, list):
            kept = [sample for sample in samples[:left] if isinstance(sample, dict)]
            left -= len(kept)
            yield kept


def _take(sample: Mapping[str, Any], found: Measured, flows: dict[str, _Parts]) -> None:
    value = _value(sample)
    if value is None:
        return
    measurand, phase = str(sample.get("measurand", "")), str(sample.get("phase", ""))
    if measurand in _FLOWS:
        name, sign = _FLOWS[measurand]
        place = _PHASES.get(phase, "" if not phase else None)
        if place is not None:
            told = sample.get("location")
            location = told if isinstance(told, str) and told in _LOCATIONS else _LOCATIONS[0]
            located = flows.setdefault(name, {}).setdefault(location, {})
            located[measurand, place] = sign * value
    elif measurand == "SoC" and 0.0 <= value <= 1.0:
        found.soc = value
    elif measurand == "Frequency" and 0 < value < 1000:
        found.hz = value
    elif measurand == "Voltage" and phase in _VOLTS:
        found.volts[_VOLTS[phase]] = value


def _total(parts: Mapping[str, float]) -> float | None:
    """The total where it was told, else the sum of the phases."""
    return parts[""] if "" in parts else (sum(parts.values()) if parts else None)


def _value(sample: Mapping[str, Any]) -> float | None:
    """The sample in SI units; 2.0.1 has a number and a multiplier, 1.6 a text and a unit."""
    raw = sample.get("value")
    if isinstance(raw, bool) or not isinstance(raw, int | float | str) or len(str(raw)) > 32:
        return None
    measurand = sample.get("measurand")
    unit: object = sample.get("unit")
    multiplier = 0
    measure = sample.get("unitOfMeasure")
    if isinstance(measure, dict):
        unit = measure.get("unit", unit)
        given = measure.get("multiplier", 0)
        multiplier = given if isinstance(given, int) and abs(given) <= 12 else 0
    default = _DEFAULT_UNITS.get(str(measurand), "W")
    factor = _UNITS.get(str(unit or default))
    try:
        value = float(raw) * 10.0**multiplier
    except (ValueError, OverflowError):
        return None
    return None if factor is None or not math.isfinite(value) else value * factor


def samples_of(payload: Mapping[str, Any]) -> Iterable[object]:
    """The `meterValue` of a message, wherever the versions put it."""
    for name in ("meterValue", "transactionData"):
        if name in payload:
            yield payload[name]
