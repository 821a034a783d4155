"""The keys of the IEC 61850 driver. Owns names, defaults, and the checks that need nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gridiface.drivers.api import placed
from gridiface.protocols.mms.control_values import OriginCategory
from gridiface.wording import worded
from gridiface_southbound.iec61850.loading import load_table
from gridiface_southbound.iec61850.table import ReferenceTable
from gridiface_southbound.points.config import PointsConfig, check_parameters
from gridiface_southbound.points.template import Scalar

#: Octets as hexadecimal digits.
Selector = Annotated[
    str, Field(pattern=worded(r"^([0-9a-fA-F]{2}){0,16}$", "up to 16 octets, two hexadecimal digits each"))
]
ObjectId = Annotated[str, Field(pattern=worded(r"^([0-2](\.\d{1,9}){1,15})?$", "an object identifier, as 1.1.1.999"))]

_PORT, _TLS_PORT = 102, 3782


class LinkKey(NamedTuple):
    """What makes two devices share an association: everything that the server sees of it."""

    host: str
    port: int
    selectors: tuple[str, str, str]
    ap_title: str
    ae_qualifier: int | None
    password_file: Path | None
    tls: tuple[Path | None, Path | None, Path | None, str] | None


class Iec61850Config(PointsConfig):
    """The keys of the IEC 61850 driver."""

    table: ReferenceTable = Field(description="A template's name, the path of a .yaml file, or the table itself.")
    host: str = Field(min_length=1, description="Name or address of the device.")
    port: int | None = Field(None, ge=1, le=65_535, description="TCP port; none: 102, with TLS 3782.")
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="Values for the table's parameters.")
    shared_connection: bool = Field(
        default=False, description="Devices of one server use one association; each has a table of its own."
    )
    reports: bool = Field(default=True, description="Whether the table's reports are used; false: all is polled.")
    termination_timeout_s: float = Field(
        10.0, gt=0, le=300, description="Time for a command of enhanced security to end, seconds."
    )
    origin: Literal["bay_control", "station_control", "remote_control", "automatic_remote", "automatic_station"] = (
        Field("remote_control", description="Who commands, as devices check it (orCat).")
    )
    identifier: str = Field("gridiface", max_length=64, description="The name beside it (orIdent).")
    transport_selector: Selector = Field("0001", description="The device's transport selector, hexadecimal.")
    session_selector: Selector = Field("0001", description="Its session selector, hexadecimal.")
    presentation_selector: Selector = Field("00000001", description="Its presentation selector, hexadecimal.")
    ap_title: ObjectId = Field("1.1.1.999.1", description="Its application title; empty: not told.")
    ae_qualifier: int | None = Field(12, ge=0, description="Its application entity qualifier; none: not told.")
    password_file: Path | None = Field(None, description="File with the password of the association (ACSE).")
    plain: bool = Field(default=False, description="Whether the password may go in the clear.")
    tls: bool = Field(default=False, description="TLS 1.2 or 1.3 as IEC 62351-3 asks for.")
    ca_file: Path | None = Field(None, description="TLS: certificates that the device's own must lead to.")
    cert_file: Path | None = Field(None, description="TLS: this side's certificate.")
    key_file: Path | None = Field(None, description="TLS: this side's key.")
    server_name: str = Field("", description="TLS: the name in the device's certificate; empty: the host.")
    connect_timeout_s: float = Field(3.0, gt=0, le=60, description="Time for a connection and association, seconds.")

    @field_validator("table", mode="before")
    @classmethod
    def _find_table(cls, value: Any, info: ValidationInfo) -> ReferenceTable:
        return load_table(value, lambda path: placed(path, info))

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        check_parameters(self.parameters, self.table.parameters)
        for point in self.table.points:
            try:
                self.table.reference(point.ref, self.values)
            except ValueError as error:
                raise ValueError(f"parameters: points.{point.name}: {error}") from error
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.tls and self.ca_file is None:
            raise ValueError("tls needs ca_file: a device that cannot be verified is not commanded")
        if not self.tls and (self.ca_file or self.cert_file or self.server_name):
            raise ValueError("ca_file, cert_file and server_name are for tls: true")
        if self.password_file is not None and not self.tls and not self.plain:
            raise ValueError("a password without tls is shown to everybody: use tls, or plain: true")
        return self

    @property
    def values(self) -> dict[str, Scalar]:
        """The table's parameters as they are for this device."""
        return {**self.table.parameters, **self.parameters}

    @property
    def tcp_port(self) -> int:
        """The port, by the protocol's habit where none is given."""
        return self.port or (_TLS_PORT if self.tls else _PORT)

    @property
    def link_key(self) -> LinkKey:
        """Who shares an association with this device."""
        files = (self.ca_file, self.cert_file, self.key_file, self.server_name)
        return LinkKey(
            self.host,
            self.tcp_port,
            (self.transport_selector, self.session_selector, self.presentation_selector),
            self.ap_title,
            self.ae_qualifier,
            self.password_file,
            files if self.tls else None,
        )

    @property
    def category(self) -> OriginCategory:
        """Who commands, as a number."""
        return OriginCategory[self.origin.upper()]
