"""The keys of the generic Modbus driver. Owns nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gridiface.drivers.api import placed
from gridiface_southbound.modbus.hints import hints
from gridiface_southbound.modbus.loading import load_table
from gridiface_southbound.modbus.table import RegisterTable
from gridiface_southbound.modbus_sharing import TlsFiles
from gridiface_southbound.points.config import PointsConfig


class ModbusConfig(PointsConfig):
    """The keys of the generic Modbus driver."""

    table: RegisterTable = Field(description="A template's name, the path of a .yaml file, or the table itself.")
    carrier: Literal["tcp", "tls", "rtu_over_tcp", "serial"] = Field("tcp", description="What carries the messages.")
    host: str = Field("", description="Name or address of the device or gateway; not for serial.")
    port: int | None = Field(None, ge=1, le=65535, description="TCP port; none: 502, with TLS 802.")
    serial_port: str = Field("", description="The serial line, for carrier serial.")
    baudrate: int = Field(9600, ge=300, le=4_000_000, description="Bits per second of the serial line.")
    parity: Literal["N", "E", "O"] = Field("N", description="None, even or odd.")
    stop_bits: Literal[1, 2] = Field(1, description="Stop bits of the serial line.")
    unit_id: int = Field(1, ge=0, le=255, description="Modbus unit id.")
    ca_file: Path | None = Field(None, description="TLS: certificates that the device's own must lead to.")
    cert_file: Path | None = Field(None, description="TLS: this side's certificate.")
    key_file: Path | None = Field(None, description="TLS: this side's key.")
    shared_connection: bool = Field(
        default=False,
        description="Several devices use one connection, one after the other; always so on a serial line.",
    )
    connect_timeout_s: float = Field(3.0, gt=0, le=60, description="Time for a connect, seconds.")
    pipeline: bool = Field(default=True, description="Send a single write and its read-back together, and reads too.")

    pause_s: float | None = Field(
        None,
        ge=0,
        le=5,
        description="Silence before each request and after a connect, seconds; none: 3.5 characters on a serial line, "
        "else no pause.",
    )

    def hints(self) -> Iterable[str]:
        """As `DriverConfig.hints`."""
        return hints(self.table, self.kind or self.table.kind)

    @field_validator("table", mode="before")
    @classmethod
    def _find_table(cls, value: Any, info: ValidationInfo) -> RegisterTable:
        return load_table(value, lambda path: placed(path, info))

    @model_validator(mode="after")
    def _carrier_is_whole(self) -> ModbusConfig:
        if self.carrier == "serial":
            if not self.serial_port:
                raise ValueError("carrier serial needs serial_port")
        elif not self.host:
            raise ValueError(f"carrier {self.carrier} needs host")
        if self.carrier == "tls" and self.ca_file is None:
            raise ValueError("carrier tls needs ca_file: a device that cannot be verified is not commanded")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.carrier in ("serial", "rtu_over_tcp") and not 0 < self.unit_id <= 247:
            raise ValueError("on a serial line unit_id is 1..247; 0 is a broadcast, which nobody answers")
        return self

    @property
    def tcp_port(self) -> int:
        """The port, by the carrier's habit where none is given."""
        return self.port or (802 if self.carrier == "tls" else 502)

    @property
    def tls_files(self) -> TlsFiles | None:
        """The files of carrier `tls`; None for the others."""
        return TlsFiles(self.ca_file, self.cert_file, self.key_file) if self.carrier == "tls" else None

    @property
    def place(self) -> str:
        """Where the device is reached; devices with the same place can share a connection."""
        return self.serial_port if self.carrier == "serial" else f"{self.host}:{self.tcp_port}"

    @property
    def line(self) -> str:
        """How the octets go over a serial line, as manuals write it; of others nothing."""
        return f"{self.baudrate} 8{self.parity}{self.stop_bits}" if self.carrier == "serial" else ""

    @property
    def pause(self) -> float:
        """Seconds of silence before each request: as configured, else what a serial line asks for.

        MODBUS over Serial Line V1.02 clause 2.5.1.1: 3.5 characters, at more than 19,200 baud 1.75 ms.
        """
        if self.pause_s is not None:
            return self.pause_s
        if self.carrier != "serial":
            return 0.0
        bits = 1 + 8 + (self.parity != "N") + self.stop_bits
        return 0.00175 if self.baudrate > 19_200 else 3.5 * bits / self.baudrate

    @property
    def shared(self) -> bool:
        """Whether the connection is shared: a serial line always is."""
        return self.shared_connection or self.carrier == "serial"
