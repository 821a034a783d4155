"""The keys of the SunSpec driver. Owns nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gridiface.drivers.api import DriverConfig
from gridiface_southbound.modbus_sharing import TlsFiles


class SunSpecConfig(DriverConfig):
    """The keys of the SunSpec driver."""

    host: str = Field(min_length=1, description="Name or address of the device or gateway.")
    port: int | None = Field(None, ge=1, le=65535, description="TCP port; none: 502, with TLS 802.")
    tls: bool = Field(default=False, description="Modbus/TCP Security: TLS with certificates on both sides.")
    ca_file: Path | None = Field(None, description="TLS: certificates that the device's own must lead to.")
    cert_file: Path | None = Field(None, description="TLS: this side's certificate.")
    key_file: Path | None = Field(None, description="TLS: this side's key.")
    unit_id: int = Field(1, ge=0, le=255, description="Modbus unit id.")
    base_address: int | None = Field(None, ge=0, le=65533, description="Where the map begins; none: look for it.")
    max_registers: int = Field(125, ge=4, le=125, description="The most registers the device gives in one answer.")
    shared_connection: bool = Field(
        default=False, description="Several devices behind one gateway use one connection, one after the other."
    )
    connect_timeout_s: float = Field(3.0, gt=0, le=60, description="Time for a TCP connect, seconds.")
    pipeline: bool = Field(default=True, description="Send a write and its read-back together; found out if it cannot.")
    pause_s: float = Field(
        0.0,
        ge=0,
        le=5,
        description="Silence before each request and after a connect, seconds, for who wants some rest.",
    )
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

    heartbeat_s: float | None = Field(
        1.0,
        gt=0,
        le=3600,
        description="715, 802: seconds between our signs of life, which a device that has the point waits for. "
        "none: it gets none.",
    )
    meter_positive: Literal["taken", "delivered"] | None = Field(
        None, description="201 to 214: which direction of power this meter counts as positive; required for a meter."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if self.tls and self.ca_file is None:
            raise ValueError("tls needs ca_file: a device that cannot be verified is not commanded")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file is for tls: true")
        return self

    @property
    def tcp_port(self) -> int:
        """The port, by the carrier's habit where none is given."""
        return self.port or (802 if self.tls else 502)

    @property
    def tls_files(self) -> TlsFiles | None:
        """The files of `tls`; None without it."""
        return TlsFiles(self.ca_file, self.cert_file, self.key_file) if self.tls else None

    @property
    def pause(self) -> float:
        """Seconds of silence before each request."""
        return self.pause_s

    @property
    def shared(self) -> bool:
        """Whether the connection is shared with other units of the gateway."""
        return self.shared_connection
