"""What one simulated inverter is told at start."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class InverterConfig(BaseModel):
    """Ratings in W and Wh, times in s; `server` is HOST:PORT."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "inverter"
    server: str
    certificate: Path
    key: Path
    roots: Path
    tls_profile: str = "strict"
    pin: int | None = None
    register_in_band: bool = False
    max_w: float = Field(default=10_000.0, gt=0)
    max_charge_w: float = Field(default=10_000.0, ge=0)
    energy_wh: float = Field(default=20_000.0, gt=0)
    soc: float = Field(default=0.7, ge=0, le=1)
    ramp_w_per_s: float = Field(default=10_000.0, gt=0)
    time_constant_s: float = Field(default=0.2, ge=0)
    report_s: float = Field(default=1.0, gt=0, description="how often readings are posted")
    status_s: float = Field(default=10.0, gt=0, description="how often DERStatus and DERAvailability are put")
    noise: float = Field(default=0.001, ge=0, le=0.5)
    seed: int = 1
