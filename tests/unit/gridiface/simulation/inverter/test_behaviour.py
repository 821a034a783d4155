"""The simulated inverter against a server of answers by hand."""

from __future__ import annotations

import pytest

from gridiface.protocols.sep2.followed import ModeInForce
from gridiface.protocols.sep2.resources import ActivePower
from gridiface.simulation.inverter.behaviour import Inverter
from gridiface.simulation.inverter.config import InverterConfig


@pytest.fixture
def inverter() -> Inverter:
    config = InverterConfig.model_validate(
        {"server": "127.0.0.1:1", "certificate": "c", "key": "k", "roots": "r", "max_w": 8000, "max_charge_w": 4000}
    )
    return Inverter(config, lfdi="3E4F45AB31EDFE5B67E343E5E4562E31984E23E5", sfdi=167261211391)


def in_force(**modes: object) -> dict[str, ModeInForce]:
    return {name: ModeInForce(value, "source", True) for name, value in modes.items()}


@pytest.mark.parametrize(
    ("modes", "power", "ceiling", "connected"),
    [
        ({"opModTargetW": ActivePower(multiplier=1, value=-250)}, -2500.0, None, True),
        ({"opModFixedW": -5000}, -2000.0, None, True),
        ({"opModFixedW": 5000}, 4000.0, None, True),
        ({"opModMaxLimW": 2500}, None, 2000.0, True),
        ({"opModConnect": False}, None, None, False),
        ({"opModEnergize": False}, None, None, False),
        ({}, None, None, True),
    ],
)
def test_modes_become_a_demand(
    inverter: Inverter, modes: dict[str, object], power: float | None, ceiling: float | None, connected: bool
) -> None:
    demand = inverter.demand(in_force(**modes))
    assert (demand.power_w, demand.ceiling_w, demand.connected) == (power, ceiling, connected)


def test_first_request_asks_for_dcap(inverter: Inverter) -> None:
    inverter.advance(100.0)
    first = inverter.client.next_requests(100.0)[0].request
    assert (first.method, first.target) == ("GET", "/dcap")
    assert not inverter.registered


def test_time_passes_in_the_physics(inverter: Inverter) -> None:
    inverter.advance(100.0)
    inverter.unit.tell(inverter.demand(in_force(opModTargetW=ActivePower(multiplier=0, value=1000))))
    inverter.advance(110.0)
    assert inverter.unit.w == pytest.approx(1000.0, rel=1e-3)
