"""What else belongs to a curve or droop of the DER profile, by its parameters, in the words of the engine. Pure.

A control carries droop as IEEE 2030.5's FreqDroopType has it: dead-bands in thousandths of a hertz, and the change of
frequency, per unit, that makes a change of power of 1 per unit, in thousandths. The profile tells gradients instead:
percent of power by percent of frequency, or W by Hz. Limits of power are W there, here parts of the rated power.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gridiface.domain.curves import LEAST_W, MOST_W

Parameter = Callable[[str], float | None]
"""The SI value of a parameter by its name; None: the map has no output for it."""

_THOUSANDTHS = 1000
_CENTISECONDS = 100
_UINT16 = 0xFFFF
_WHOLE = 10_000
_DUST = 1e-9


def droop_payload(high_hz: float, of: Parameter, rated_w: float | None) -> dict[str, int] | None:
    """The droop for a starting frequency above nominal and its parameters; None: it cannot be carried out.

    Args:
        high_hz: from there on power falls.
        of: `low` Hz below nominal (negative), `high_gradient` and `low_gradient` (%/%), `up` and `down` (time
            constants, s), `in_watts` (1: `high_w` and `low_w`, W/Hz, count, with the `nominal` frequency, Hz), `least`
            and `most` (W, how far power goes down and up by droop; 0, and the rating or more: no limit is told).
        rated_w: of the target, for gradients and limits in watts.
    """
    gradients = _per_unit(of, rated_w)
    low_hz = of("low")
    if gradients is None or high_hz < 0 or low_hz is None or low_hz > 0:
        return None
    over, under = (round(_THOUSANDTHS / abs(gradient)) for gradient in gradients)
    limits = _limits(of, rated_w)
    if limits is None or not 1 <= over <= _UINT16 or not 1 <= under <= _UINT16:
        return None
    return {
        "dBOF": round(high_hz * _THOUSANDTHS),
        "dBUF": round(-low_hz * _THOUSANDTHS),
        "kOF": over,
        "kUF": under,
        "openLoopTms": response_time(of) or 0,
        **limits,
    }


def _limits(of: Parameter, rated_w: float | None) -> dict[str, int] | None:
    """The limits that are told, hundredths of a percent of the rated power; None: they cannot be kept."""
    least, most = of("least") or 0.0, of("most")
    told: dict[str, int] = {}
    if least > 0:
        if not rated_w or least > rated_w:
            return None
        told[LEAST_W] = math.ceil(_WHOLE * least / rated_w - _DUST)
    if most is not None and rated_w and most < rated_w:
        if most < least:
            return None
        told[MOST_W] = math.floor(_WHOLE * most / rated_w + _DUST)
    return told


def _per_unit(of: Parameter, rated_w: float | None) -> tuple[float, float] | None:
    """Per unit of power by per unit of frequency, above and below nominal; None: not told, or 0."""
    if of("in_watts"):
        nominal, high, low = of("nominal"), of("high_w"), of("low_w")
        if not nominal or not high or not low or not rated_w:
            return None
        return high * nominal / rated_w, low * nominal / rated_w
    high, low = of("high_gradient"), of("low_gradient")
    return (high, low) if high and low else None


def response_time(of: Parameter) -> int | None:
    """The open-loop response time that both ramp time constants keep within, 1/100 s; None: none is told."""
    told = [seconds for name in ("up", "down") if (seconds := of(name))]
    return min(_UINT16, round(max(told) * _CENTISECONDS)) if told else None


def with_parameters(payload: dict[str, Any], of: Parameter) -> dict[str, Any]:
    """A curve's payload with its response time, and whether and how fast its reference follows the voltage."""
    more: dict[str, Any] = {}
    response = response_time(of)
    if response is not None:
        more["openLoopTms"] = response
    follows = of("vref")
    if follows is not None:
        more["autonomousVRefEnable"] = bool(follows)
        more["autonomousVRefTimeConstant"] = round((of("vref_time") or 0.0) * _CENTISECONDS)
    return {name: {**record, **more} for name, record in payload.items()}
