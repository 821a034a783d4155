"""The keys of the driver for web APIs. Owns names, defaults, and the checks that need nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gridiface.drivers.api import NO_FILE, placed
from gridiface_southbound.http.loading import load_table
from gridiface_southbound.http.table import ApiTable
from gridiface_southbound.points.config import PointsConfig, check_parameters
from gridiface_southbound.points.template import Scalar


class HttpConfig(PointsConfig):
    """The keys of the driver for web APIs."""

    table: ApiTable = Field(description="A template's name, the path of a .yaml file, or the table itself.")
    url: str = Field(
        description="Where the API begins: http:// or https://, host, port, and a path if it has one.",
        json_schema_extra=NO_FILE,
    )
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="Values for the table's parameters.")
    auth: Literal["none", "basic", "digest", "bearer", "oauth"] = Field(
        "none", description="How this side proves who it is."
    )
    user: str = Field("", description="Name, for basic and digest; client id, for oauth.")
    password_file: Path | None = Field(
        None, description="File with the password, for basic and digest; with the client's secret, for oauth."
    )
    token_file: Path | None = Field(
        None, description="File with the token, for bearer; read anew at each opening, and when the token is refused."
    )
    token_url: str | None = Field(
        None, description="Where oauth fetches its token (client credentials grant).", json_schema_extra=NO_FILE
    )
    scope: str = Field(
        "", description="Scope that oauth asks for; empty: as the server gives.", json_schema_extra=NO_FILE
    )
    plain: bool = Field(default=False, description="Whether a password or token may go over http in the clear.")
    ca_file: Path | None = Field(
        None, description="Certificates that the device's own must lead to; none: the system's."
    )
    fingerprint: str | None = Field(
        None, description="SHA-256 of the device's own certificate instead, 64 hex digits: for self-signed ones."
    )
    server_name: str = Field("", description="The name in the device's certificate; empty: the URL's host.")
    cert_file: Path | None = Field(None, description="This side's certificate.")
    key_file: Path | None = Field(None, description="This side's key.")
    connect_timeout_s: float = Field(3.0, gt=0, le=60, description="Time for a connect, seconds.")
    keep_alive: bool = Field(default=True, description="Whether the connection is kept between requests.")
    max_body_bytes: int = Field(262_144, ge=1024, le=16_777_216, description="The longest answer that is read.")

    @field_validator("table", mode="before")
    @classmethod
    def _find_table(cls, value: Any, info: ValidationInfo) -> ApiTable:
        return load_table(value, lambda path: placed(path, info))

    @field_validator("url")
    @classmethod
    def _is_a_base(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url begins with http:// or https:// and a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url holds no password: use auth, user and password_file")
        if parts.query or parts.fragment:
            raise ValueError("url has no query: it belongs to the table's requests")
        try:
            parts.port  # noqa: B018 - looking raises for a wrong port
        except ValueError as error:
            raise ValueError(f"url: {error}") from error
        return value.rstrip("/")

    @field_validator("fingerprint")
    @classmethod
    def _is_a_digest(cls, value: str | None) -> str | None:
        bare = None if value is None else value.replace(":", "").lower()
        if bare is not None and (len(bare) != 64 or set(bare) - set("0123456789abcdef")):
            raise ValueError("fingerprint is a SHA-256: 64 hex digits, with or without colons")
        return bare

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        check_parameters(self.parameters, self.table.parameters)
        if self.auth in ("basic", "digest") and not (self.user and self.password_file):
            raise ValueError(f"auth {self.auth} needs user and password_file")
        if self.auth == "bearer" and self.token_file is None:
            raise ValueError("auth bearer needs token_file")
        self._check_oauth()
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.fingerprint is not None and (self.ca_file or self.cert_file):
            raise ValueError("fingerprint stands alone: it takes the place of ca_file, and has no certificate of ours")
        if not self.secure:
            if self.auth in ("basic", "bearer", "oauth") and not self.plain:
                raise ValueError(f"auth {self.auth} over http shows the secret to everybody: use https, or plain: true")
            if self.ca_file or self.fingerprint or self.cert_file or self.server_name:
                raise ValueError("ca_file, fingerprint, cert_file and server_name are for https")
        return self

    def _check_oauth(self) -> None:
        if self.auth != "oauth":
            if self.token_url is not None or self.scope:
                raise ValueError("token_url and scope are for auth oauth")
            return
        if not (self.token_url and self.user and self.password_file):
            raise ValueError("auth oauth needs token_url, user and password_file")
        parts = urlsplit(self.token_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError("token_url begins with http:// or https:// and a host, and holds no password")
        if parts.scheme == "http" and not self.plain:
            raise ValueError("token_url over http shows the secret to everybody: use https, or plain: true")

    @property
    def secure(self) -> bool:
        """Whether it is https."""
        return self.url.startswith("https:")

    @property
    def values(self) -> dict[str, Scalar]:
        """The table's parameters as they are for this device."""
        return {**self.table.parameters, **self.parameters}
