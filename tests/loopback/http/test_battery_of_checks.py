"""The testkit's checks on the driver for web APIs, against simulated devices."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.drivers.testkit import CHECKS, run_check

CASES = [
    pytest.param(check, name, id=f"{name}-{check.__name__}")
    for name in ("example-battery", "go-e-charger")
    for check, _ in CHECKS
]


@pytest.mark.parametrize(("check", "name"), CASES)
async def test_the_driver_passes(check: Any, name: str, benches: Any) -> None:
    await run_check(check, benches(name))
