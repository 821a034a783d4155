"""The testkit's whole battery on the SunSpec driver, against every kind of simulated device."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.drivers.testkit import CHECKS, BenchFactory, Check, run_check
from gridiface.simulation.sunspec.config import UnitConfig

#: Fast physics, so that a check that waits for power does not wait long.
FAST: dict[str, Any] = {"ramp_w_per_s": 1e6, "time_constant_s": 0.01}

VARIANTS: dict[str, tuple[UnitConfig, dict[str, Any]]] = {
    "7xx": (UnitConfig(**FAST), {}),
    "7xx pv": (UnitConfig(kind="pv", available=1.0, **FAST), {}),
    "7xx percent only": (UnitConfig(watt_set_point=False, **FAST), {}),
    "7xx told in percent": (UnitConfig(**FAST), {"set_point": "percent"}),
    "7xx without timers": (UnitConfig(revert_timers=False, **FAST), {}),
    "7xx at base 0": (UnitConfig(base_address=0, **FAST), {}),
    "7xx at base 50000": (UnitConfig(base_address=50000, **FAST), {}),
    "7xx of 2 MW": (UnitConfig(max_w=2e6, energy_wh=4e6, ramp_w_per_s=1e9, time_constant_s=0.01), {}),
    "7xx without function 16": (UnitConfig(function_16=False, **FAST), {}),
    "7xx told one by one": (UnitConfig(**FAST), {"pipeline": False}),
    "7xx read again each time": (UnitConfig(**FAST), {"scale_factors": "reread"}),
    "7xx read back later": (UnitConfig(**FAST), {"read_back_delay_s": 0.01}),
    "7xx single phase": (UnitConfig(phases=1, **FAST), {}),
    "1xx": (UnitConfig(profile="1xx", **FAST), {}),
    "1xx pv": (UnitConfig(profile="1xx", kind="pv", available=1.0, **FAST), {}),
    "1xx single phase": (UnitConfig(profile="1xx", phases=1, **FAST), {}),
    "1xx as floats": (UnitConfig(profile="1xx_float", **FAST), {}),
    "1xx without function 16": (UnitConfig(profile="1xx", function_16=False, **FAST), {}),
    "both": (UnitConfig(profile="both", **FAST), {}),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("check", [check for check, _ in CHECKS], ids=lambda check: check.__name__)
async def test_the_driver_passes(check: Check, variant: str, benches: Any) -> None:
    unit, keys = VARIANTS[variant]
    factory: BenchFactory = benches(unit, **keys)
    await run_check(check, factory)
