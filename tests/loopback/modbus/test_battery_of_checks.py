"""The testkit's checks on every template and carrier, against devices simulated from the same tables by pymodbus."""

from __future__ import annotations

from typing import Any

import pytest
from pymodbus.framer import FramerType

from gridiface.drivers.testkit import CHECKS, run_check
from gridiface_southbound.modbus.loading import template_names

#: A meter takes no command.
READ_ONLY = {"refuses_an_empty_command"}

RTU = {"framer": FramerType.RTU}
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    **{name: (name, {}, {}) for name in template_names()},
    "battery little, RTU over TCP": ("example-battery-little", RTU, {"carrier": "rtu_over_tcp"}),
    "battery, RTU over TCP": ("example-battery", RTU, {"carrier": "rtu_over_tcp"}),
    "pv, one request at a time": ("example-pv", {}, {"pipeline": False}),
    "battery little, shared": ("example-battery-little", {}, {"shared_connection": True}),
}


def _put(name: str, check: str) -> bool:
    return check in READ_ONLY if name in ("example-meter", "eastron-sdm630") else True


CASES = [
    pytest.param(check, variant, id=f"{variant}-{check.__name__}")
    for variant, (name, _, _) in VARIANTS.items()
    for check, _ in CHECKS
    if _put(name, check.__name__)
]


@pytest.mark.parametrize(("check", "variant"), CASES)
async def test_the_driver_passes(check: Any, variant: str, benches: Any) -> None:
    name, server, keys = VARIANTS[variant]
    await run_check(check, benches(name, server, **keys))
