"""What is simulated: units, their ratings and habits. Owns no behaviour."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Which models a unit has: the DER models, the older ones as integers or floats, or both side by side.
Profile = Literal["7xx", "1xx", "1xx_float", "both"]


class UnitConfig(BaseModel):
    """One simulated device. Powers in W, energy in Wh; `copies` makes several alike (names and seeds counted up)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "unit"
    kind: Literal["battery", "pv"] = "battery"
    profile: Profile = "7xx"
    copies: int = Field(1, ge=1, le=100_000)
    port: int = Field(0, ge=0, le=65535)
    unit_id: int = Field(1, ge=0, le=247)
    base_address: int = Field(40000, ge=0, le=60000)
    phases: Literal[1, 3] = 3
    max_w: float = Field(10_000.0, gt=0)
    max_charge_w: float | None = Field(None, ge=0)
    energy_wh: float = Field(20_000.0, gt=0)
    soc: float = Field(0.5, ge=0, le=1)
    soc_min: float = Field(0.0, ge=0, le=1)
    soc_max: float = Field(1.0, ge=0, le=1)
    ramp_w_per_s: float | None = Field(None, gt=0)
    time_constant_s: float = Field(0.2, ge=0)
    efficiency: float = Field(0.96, gt=0, le=1)
    loss: float = Field(0.0, ge=0, lt=1, description="what it lacks of the power that it was told to deliver")
    available: float = Field(0.8, ge=0, le=1)
    noise: float = Field(0.001, ge=0, le=0.5)
    seed: int = 0
    function_16: bool = True
    watt_set_point: bool = True
    revert_timers: bool = True
    curves: bool = Field(default=False, description="it has models 705 to 712 (7xx and both)")
    adopt_s: float = Field(0.0, ge=0, le=60, description="time it takes to adopt a curve")
    grid_percent: float = Field(100.0, ge=50, le=150, description="voltage of its grid, percent of nominal")

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.soc_min >= self.soc_max:
            raise ValueError("soc_min must be below soc_max")
        return self

    @property
    def charge_w(self) -> float:
        """The most it takes, W: as configured, else as much as it gives; a PV inverter takes nothing."""
        if self.kind == "pv":
            return 0.0
        return self.max_w if self.max_charge_w is None else self.max_charge_w

    @property
    def ramp(self) -> float:
        """W/s: as configured, else the whole rating in one second."""
        return self.max_w if self.ramp_w_per_s is None else self.ramp_w_per_s


class SimulationConfig(BaseModel):
    """A set of units in one process.

    `shared_port` puts up to 247 units behind one port, told apart by unit id; else each has its own port.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    units: tuple[UnitConfig, ...] = Field(min_length=1)
    shared_port: bool = False
    units_per_port: int = Field(247, ge=1, le=247)
    tick_s: float = Field(1.0, gt=0, le=60)

    def expanded(self) -> list[UnitConfig]:
        """Every unit singly, copies told apart by name, seed and, on a shared port, unit id."""
        found: list[UnitConfig] = []
        for unit in self.units:
            for number in range(unit.copies):
                change: dict[str, Any] = {"copies": 1}
                if unit.copies > 1:
                    change |= {"name": f"{unit.name}-{number + 1}", "seed": unit.seed + number}
                if self.shared_port:
                    change |= {"unit_id": len(found) % self.units_per_port + 1, "port": 0}
                found.append(unit.model_copy(update=change))
        return found
