"""The keys of the OCPP driver: the listener that charging points call, and one charging point. Owns nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from gridiface.drivers.api import NO_FILE, DriverConfig
from gridiface.wording import worded

Version = Literal["1.6", "2.0.1", "2.1"]


class ListenerKey(NamedTuple):
    """What all charging points of one listener have in common."""

    host: str
    port: int
    path: str
    cert_file: Path | None
    key_file: Path | None
    client_ca_file: Path | None


class OcppConfig(DriverConfig):
    """The keys of the OCPP driver."""

    revert_s: float | None = Field(
        300.0, ge=10, le=86_400, description="How long a limit holds without being told again, seconds; none: for good."
    )
    timeout_s: float = Field(10.0, gt=0, le=120, description="Time for one answer of the charging point, seconds.")
    poll_period_s: float = Field(30.0, gt=0, le=86_400, description="Seconds between two readings of telemetry.")
    listen: str = Field(description="Address and port that charging points call, the same for all of one listener.")
    path: str = Field(
        "/ocpp",
        pattern=worded(r"^(/[A-Za-z0-9._~-]+)*$", "empty or a path such as /ocpp"),
        description="Path before the charging point's id.",
        json_schema_extra=NO_FILE,
    )
    charge_point: str = Field(
        pattern=worded(r"^[A-Za-z0-9*=:+|@._-]{1,48}$", "1 to 48 letters, digits and * = : + | @ . _ -"),
        description="Its id, the last part of the URL it calls.",
    )
    security_profile: Literal[0, 1, 2, 3] = Field(
        description="1: password; 2: password in TLS; 3: certificates on both sides; 0: nothing, for trying only."
    )
    password_file: Path | None = Field(None, description="File with its password, profiles 1 and 2.")
    cert_file: Path | None = Field(None, description="The listener's certificate, profiles 2 and 3.")
    key_file: Path | None = Field(None, description="The listener's key.")
    client_ca_file: Path | None = Field(None, description="Whose certificates for charging points are believed.")
    certificate_name: str = Field("", description="Common name in its certificate; empty: its id.")
    versions: tuple[Version, ...] = Field(("2.1", "2.0.1", "1.6"), min_length=1, description="Offered, the best first.")
    max_charge_w: float = Field(gt=0, description="The most it gives to vehicles, W.")
    max_discharge_w: float = Field(
        0.0, ge=0, description="The most that vehicles may give back, W; in sessions that can do it over OCPP 2.1."
    )
    connector: int = Field(1, ge=0, le=64, description="Connector (2.x: EVSE) that is driven; 0: the whole station.")
    unit: Literal["W", "A"] = Field("W", description="Unit in which limits are told: watts, or amperes per phase.")
    phases: Literal[1, 2, 3] = Field(3, description="Phases that are used, for amperes.")
    volts: float = Field(230.0, gt=0, le=1000, description="Volts between phase and neutral, for amperes.")
    min_a: float = Field(
        6.0,
        ge=0,
        le=80,
        description="Least current it can offer (IEC 61851-1: 6 A); 0: direct current.",
    )
    purpose: Literal["auto", "station", "default", "transaction"] = Field(
        "auto", description="Kind of charging profile; auto: of the station for connector 0, else of the session."
    )
    profile_id: int = Field(
        730_100, ge=1, le=2_147_483_000, description="Id of our charging profile; purpose auto uses the next one, too."
    )
    stack_level: int = Field(1, ge=0, le=100, description="Its level; the highest of one purpose rules.")
    tags: tuple[str, ...] = Field((), description="Id tags that may charge; none: all.")
    meter_interval_s: int = Field(10, ge=0, le=86_400, description="How often it tells meter values; 0: as it likes.")
    heartbeat_s: int = Field(300, ge=10, le=86_400, description="How often it says that it lives.")
    trigger: bool = Field(default=True, description="Ask for meter values at each reading, where it can be asked.")
    read_back: bool = Field(
        default=True,
        description="Whether GetCompositeSchedule must show a limit; false: of a station that answers it wrongly "
        "its Accepted counts.",
    )
    stale_after_s: float = Field(180.0, gt=0, le=86_400, description="Meter values older than this are stale.")
    first_connection_s: float = Field(5.0, gt=0, le=600, description="How long opening waits for it to call.")

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):(\d{1,5})", value)
        if not found or int(found[2]) > 65_535:
            raise ValueError("listen is an address and a port, such as 0.0.0.0:9000 or [::]:9000")
        return value

    @field_validator("versions", mode="before")
    @classmethod
    def _are_words(cls, value: object) -> object:
        """A 1.6 or 2.1 of YAML is a number."""
        return [str(one) if isinstance(one, float) else one for one in value] if isinstance(value, list) else value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.security_profile in (1, 2) and self.password_file is None:
            raise ValueError(f"security_profile {self.security_profile} needs password_file")
        if self.security_profile >= 2 and self.cert_file is None:
            raise ValueError(f"security_profile {self.security_profile} needs cert_file and key_file of the listener")
        if self.security_profile < 2 and self.cert_file is not None:
            raise ValueError("a listener with cert_file is TLS: security_profile 2 or 3")
        if self.security_profile == 3 and self.client_ca_file is None:
            raise ValueError("security_profile 3 needs client_ca_file")
        if self.client_ca_file is not None and self.cert_file is None:
            raise ValueError("client_ca_file is for TLS")
        if self.purpose == "station" and self.connector:
            raise ValueError("purpose station is for connector 0")
        if self.purpose == "transaction" and not self.connector:
            raise ValueError("purpose transaction needs a connector")
        return self

    @model_validator(mode="after")
    def _can_give_back(self) -> Self:
        if self.max_discharge_w and not self.connector:
            raise ValueError("max_discharge_w is of one session: it needs a connector")
        if self.max_discharge_w and "2.1" not in self.versions:
            raise ValueError("max_discharge_w needs version 2.1")
        return self

    @property
    def least_w(self) -> float:
        """The least power at which vehicles charge, W; told watts, that of one phase."""
        phases = self.phases if self.unit == "A" else 1
        return min(self.min_a * self.volts * phases, self.max_charge_w)

    @property
    def listens_on(self) -> str:
        """As `DriverConfig.listens_on`."""
        return self.listen

    @property
    def listener(self) -> ListenerKey:
        """The listener that this charging point calls."""
        host, _, port = self.listen.rpartition(":")
        return ListenerKey(host.strip("[]"), int(port), self.path, self.cert_file, self.key_file, self.client_ca_file)

    @property
    def watts_per_unit(self) -> float:
        """Watts in one unit of a limit."""
        return 1.0 if self.unit == "W" else self.phases * self.volts
