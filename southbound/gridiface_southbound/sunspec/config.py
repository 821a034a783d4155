"""The keys of the SunSpec driver. Owns nothing else."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gridiface.drivers.api import DriverConfig


class SunSpecConfig(DriverConfig):
    """The keys of the SunSpec driver."""

    host: str = Field(min_length=1, description="Name or address of the device or gateway.")
    port: int = Field(502, ge=1, le=65535, description="TCP port.")
    unit_id: int = Field(1, ge=0, le=255, description="Modbus unit id.")
    base_address: int | None = Field(None, ge=0, le=65533, description="Where the map begins; none: look for it.")
    max_registers: int = Field(125, ge=4, le=125, description="The most registers the device gives in one answer.")
    shared_connection: bool = Field(
        default=False, description="Several devices behind one gateway use one connection, one after the other."
    )
    connect_timeout_s: float = Field(3.0, gt=0, le=60, description="Time for a TCP connect, seconds.")
    pipeline: bool = Field(default=True, description="Send a write and its read-back together; found out if it cannot.")
    scale_factors: Literal["auto", "reread", "fixed"] = Field(
        "auto",
        description="reread: before each write; fixed: as found at opening; auto: reread unless the model promises "
        "that they never change, and then checked with each read-back.",
    )
    read_back_delay_s: float = Field(0.0, ge=0, le=5, description="Time a device needs until a value can be read back.")
    adopt_timeout_s: float = Field(
        5.0, gt=0, le=60, description="705 to 712: time the device may take to adopt a curve, seconds."
    )
    function_16: bool = Field(default=True, description="Write several registers at once; found out if it cannot.")
    set_point: Literal["auto", "percent"] = Field("auto", description="704: in watts where possible, or in percent.")
    storage_form: Literal["window", "direct"] = Field(
        "window", description="124: both rates enclose the power, or only the rate of the wanted direction is set."
    )
    power_factor_sign: Literal["over_excited", "under_excited"] = Field(
        "over_excited", description="123 OutPFSet: which excitation this device counts as positive."
    )
