"""The keys of the MQTT driver. Owns names, defaults, and the checks that need nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gridiface.drivers.api import NO_FILE, placed
from gridiface.wording import worded
from gridiface_southbound.mqtt.loading import load_table
from gridiface_southbound.mqtt.table import TopicTable
from gridiface_southbound.points.config import PointsConfig, check_parameters
from gridiface_southbound.points.template import Scalar


class BrokerKey(NamedTuple):
    """What makes two devices share a connection: everything that the broker sees of it."""

    host: str
    port: int
    tls: bool
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    user: str
    password_file: Path | None
    client_id: str
    protocol: str
    keepalive_s: int
    status_topic: str


class MqttConfig(PointsConfig):
    """The keys of the MQTT driver."""

    table: TopicTable = Field(description="A template's name, the path of a .yaml file, or the table itself.")
    host: str = Field(min_length=1, description="Name or address of the broker.")
    port: int | None = Field(None, ge=1, le=65_535, description="TCP port; none: 1883, with TLS 8883.")
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="Values for the table's parameters.")
    client_id: str = Field("", max_length=65_535, description="Name of this side at the broker; empty: a new one.")
    user: str = Field("", description="Name at the broker.")
    password_file: Path | None = Field(None, description="File with the password.")
    plain: bool = Field(default=False, description="Whether the password may go to the broker in the clear.")
    tls: bool = Field(default=False, description="Whether the connection is TLS.")
    ca_file: Path | None = Field(None, description="Certificates the broker's own must lead to; none: the system's.")
    cert_file: Path | None = Field(None, description="This side's certificate.")
    key_file: Path | None = Field(None, description="This side's key.")
    protocol: Literal["3.1.1", "5"] = Field("3.1.1", description="Version of MQTT.")
    qos: Literal[0, 1, 2] = Field(1, description="Quality of service of subscriptions and commands.")
    keepalive_s: int = Field(30, ge=5, le=3600, description="A broker silent for longer is lost, seconds.")
    status_topic: str = Field(
        "",
        pattern=worded(r"^[^+#\x00]*$", "a topic without the wildcards + and #"),
        description="Where this side says online, and its last will offline, retained.",
        json_schema_extra=NO_FILE,
    )
    connect_timeout_s: float = Field(5.0, gt=0, le=60, description="Time for a connection to the broker, seconds.")
    first_reading_s: float = Field(10.0, gt=0, le=600, description="Time for all points to be told once, seconds.")
    max_payload_bytes: int = Field(65_536, ge=256, le=1_048_576, description="The longest message that is read.")

    @field_validator("table", mode="before")
    @classmethod
    def _find_table(cls, value: Any, info: ValidationInfo) -> TopicTable:
        return load_table(value, lambda path: placed(path, info))

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        check_parameters(self.parameters, self.table.parameters)
        if any(char in str(value) for value in self.values.values() for char in "+#\0"):
            raise ValueError("parameters: a topic has no +, # or NUL")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file belong together")
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("ca_file and cert_file are for tls: true")
        if self.user and not self.tls and not self.plain:
            raise ValueError("a password without tls is shown to everybody: use tls, or plain: true")
        return self

    @field_validator("protocol", mode="before")
    @classmethod
    def _is_a_word(cls, value: object) -> object:
        """A 5 of YAML is a number."""
        return "5" if value == 5 and not isinstance(value, bool) else value

    @property
    def tells_refusals(self) -> bool:
        """Whether the broker says that it refuses a publication: MQTT 3.1.1 has no word for it, qos 0 no answer.

        With qos 2 the reason stands in PUBREC, which the client library keeps to itself.
        """
        return self.protocol == "5" and self.qos == 1

    @property
    def values(self) -> dict[str, Scalar]:
        """The table's parameters as they are for this device."""
        return {**self.table.parameters, **self.parameters}

    @property
    def broker(self) -> BrokerKey:
        """The connection that this device uses."""
        port = self.port or (8883 if self.tls else 1883)
        return BrokerKey(
            self.host,
            port,
            self.tls,
            self.ca_file,
            self.cert_file,
            self.key_file,
            self.user,
            self.password_file,
            self.client_id,
            self.protocol,
            self.keepalive_s,
            self.status_topic,
        )
