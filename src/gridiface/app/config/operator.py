"""What the configuration may say of the surface for people: where it listens, who may ask how much, what waits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from gridiface.app.config.base import Listen, host_port
from gridiface.domain.definitions import Block, Identifier
from gridiface.operator.alarms.kinds import KINDS, Severity
from gridiface.operator.auth.access import is_loopback
from gridiface.operator.auth.scopes import Role
from gridiface.wording import worded

#: An address as people write it; no sign that could end a header.
_MAIL = worded(r"^[^\s@<>,;:\"]{1,64}@[A-Za-z0-9.-]{1,190}$", "an e-mail address, as ops@grid.example")


class OperatorTls(Block):
    """The listener's own certificate."""

    certificate: Path = Field(description="PEM: the server's certificate, followed by its intermediates")
    key: Path = Field(description="PEM: the server's private key, readable by its owner only")


class Sessions(Block):
    """How long people stay signed in."""

    idle_s: float = Field(default=1_800.0, ge=60, le=604_800, description="unused for so long, a session is over, s")
    longest_s: float = Field(
        default=43_200.0, ge=300, le=2_592_000, description="so long after its start, a session is over in any case, s"
    )

    @model_validator(mode="after")
    def _idle_counts(self) -> Self:
        # Who shortens longest_s alone has said nothing of idle_s.
        if "idle_s" in self.model_fields_set and self.idle_s > self.longest_s:
            text = f"idle_s {self.idle_s:g} is above longest_s {self.longest_s:g}, which ends a session before"
            raise ValueError(f"{text}; make it less, or longest_s more")
        return self


class OperatorLimits(Block):
    """What one caller (user, token, or address without either) may take."""

    requests_per_s: float = Field(default=200.0, gt=0, le=1e6, description="requests per second in the long run")
    burst: int = Field(default=1_000, ge=1, le=1_000_000, description="requests at once")
    connections: int = Field(default=2_000, ge=8, description="open connections in all; more are closed as they come")


class Told(Block):
    """Who is told of alarms, and of which."""

    name: Identifier = Field(description="for the log and the alarm that it cannot be reached")
    severity: Severity = Field(default="warning", description="the least severity that is told")
    kinds: tuple[str, ...] = Field(default=(), description="kinds of alarms that are told; none: all of that severity")

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise ValueError(f"there is no kind {unknown[0]!r}; there are: {', '.join(KINDS)}")
        return kinds


class WebhookEntry(Told):
    """An address that alarms are posted to."""

    url: str = Field(
        description="https://...; http:// only with private_addresses",
        pattern=worded(r"^https?://\S{3,500}$", "an address that begins with http:// or https://, without blanks"),
    )
    secret: Path | None = Field(
        default=None, description="file with a secret; notices are signed with it (HMAC-SHA256)"
    )
    private_addresses: bool = Field(
        default=False, description="whether addresses of private networks and of this machine may be notified"
    )

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self.url.startswith("http://") and not self.private_addresses:
            raise ValueError("alarms would go out in the clear: write https://, or set `private_addresses: true`")
        return self


class MailEntry(Told):
    """People who get alarms by e-mail."""

    host: str = Field(description="mail server")
    port: int = Field(default=587, ge=1, le=65_535, description="its port")
    security: Literal["tls", "starttls", "none"] = Field(
        default="starttls",
        description="tls from the start (465), starttls (587), or none: for a server on this machine",
    )
    sender: str = Field(description="address that mails come from", pattern=_MAIL)
    to: tuple[Annotated[str, Field(pattern=_MAIL)], ...] = Field(min_length=1, description="addresses that are told")
    user: str = Field(default="", description="to sign in with; empty: without")
    password: Path | None = Field(default=None, description="file with the password")
    trust: Path | None = Field(
        default=None, description="PEM with the CA of the mail server; none: those of the system"
    )


class OidcBlock(Block):
    """An OpenID Connect provider at which people may sign in, beside names and passwords here."""

    issuer: str = Field(
        description="the provider's identifier, https://...",
        pattern=worded(r"^https?://\S{3,500}$", "an address that begins with http:// or https://, without blanks"),
    )
    client_id: str = Field(min_length=1, max_length=256, description="what the provider calls this server")
    client_secret: Path | None = Field(default=None, description="file with the client's secret; none: a public client")
    url: str = Field(
        description="where browsers reach this server, https://NAME[:PORT]; the provider sends them back to "
        "`/api/v1/session/oidc/callback` there",
        pattern=worded(r"^https?://[^\s/]{1,255}$", "http:// or https:// and a host, without a path"),
    )
    title: str = Field(default="OpenID", min_length=1, max_length=64, description="what the button on the page says")
    scopes: tuple[str, ...] = Field(default=("openid", "profile", "email"), description="what is asked for")
    role_claim: str = Field(default="groups", max_length=256, description="dotted name of the claim that tells roles")
    roles: dict[str, Role] = Field(min_length=1, description="value of that claim -> role here; the highest counts")
    default_role: Role | None = Field(
        default=None, description="role of those whom no value fits; none: they are not let in"
    )
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"], ...] = Field(
        default=("RS256", "ES256"), min_length=1, description="of ID tokens"
    )
    trust: Path | None = Field(default=None, description="PEM with the CA of the provider; none: those of the system")


class Operator(Block):
    """The page and API for the people who run the server."""

    listen: Listen = Field(
        default="127.0.0.1:8080", description="HOST:PORT; beyond loopback it needs `tls`, or `plain` behind a proxy"
    )
    tls: OperatorTls | None = Field(default=None, description="certificate and key; with it the listener speaks HTTPS")
    plain: bool = Field(
        default=False,
        description="true: plain HTTP beyond loopback, too, behind a proxy that speaks TLS; people sign in through it",
    )
    hosts: tuple[str, ...] = Field(
        default=(), description="host names by which it may be reached, besides IP addresses and localhost"
    )
    open_reads: bool | None = Field(
        default=None, description="whether reading needs no token; none: while it listens on loopback only"
    )
    pki: Path | None = Field(
        default=None,
        description="folder of a CA made by `gridiface pki init`, with which engineers may sign requests on the page",
    )
    device_files: Path | None = Field(
        default=None,
        description="folder in which connections of devices that are added over REST may name files; none: nowhere",
    )
    banner: str = Field(default="", max_length=1_000, description="what whoever signs in is told first, on the page")
    sessions: Sessions = Sessions()
    limits: OperatorLimits = OperatorLimits()
    oidc: OidcBlock | None = Field(
        default=None, description="an OpenID provider at which people may sign in, too; needs gridiface[oidc]"
    )
    approval_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="controls that reach at least this part of all devices wait for a second person; none: none waits",
    )
    approval_within_s: float = Field(
        default=900.0, ge=10, le=604_800, description="so long a control waits for the second person, s"
    )
    audit_key: Path | None = Field(
        default=None,
        description="file with a secret (32 bytes or more) that keys the audit log's seals; keep it out of backups",
    )
    webhooks: tuple[WebhookEntry, ...] = Field(default=(), description="addresses that alarms are posted to")
    mails: tuple[MailEntry, ...] = Field(default=(), description="people who get alarms by e-mail")
    authority_min: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="authority of an operator's control of priority 0; 2030.5 has 255 less the primacy",
    )
    authority_max: float = Field(
        default=255.0,
        allow_inf_nan=False,
        description="authority of an operator's control of priority 100; the larger of two wins",
    )

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.authority_min > self.authority_max:
            raise ValueError("authority_min must not be above authority_max")
        return self

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        host, _ = host_port(self.listen)
        if self.tls is None and not self.plain and not is_loopback(host):
            raise ValueError(
                f"{self.listen} is reached from other machines, and without `tls` passwords and tokens would go there "
                "in the clear: give `tls` (certificate, key), or set `plain: true` behind a proxy that speaks TLS"
            )
        return self
