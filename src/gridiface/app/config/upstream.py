"""What the configuration may say of utilities' IEEE 2030.5 servers that our fleet connects to as an aggregator.

Owns names, types, ranges and defaults. What becomes of it is app/fronts/upstream_settings.py's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from gridiface.app.config.base import Block, Network, Pin, place_like
from gridiface.domain.definitions import Identifier as Name

_LFDI = re.compile(r"[0-9A-F]{40}")


def _lfdi(text: str) -> str:
    found = text.replace("-", "").replace(":", "").upper()
    if not _LFDI.fullmatch(found):
        raise ValueError("an LFDI has 40 hex digits: `gridiface pki lfdi CERTIFICATE` prints it")
    return found


def _server(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("write https://HOST:PORT/PATH, the address of the server's DeviceCapability")
    return text


Lfdi = Annotated[str, AfterValidator(_lfdi)]
Server = Annotated[str, AfterValidator(_server)]
Place = Annotated[str, place_like(9443)]


class UpstreamTls(Block):
    """Keys and trust towards one server."""

    profile: Literal["strict", "compatible"] = Field(
        default="strict",
        description="strict: ECDHE-ECDSA-AES128-CCM8 only, as the standard demands; compatible: also AES128-GCM",
    )
    certificate: Path = Field(description="PEM: our certificate, followed by its intermediates")
    key: Path = Field(description="PEM: its private key, readable by its owner only")
    roots: tuple[Path, ...] = Field(min_length=1, description="PEM files with the root certificates to trust")
    revoked: Path | None = Field(default=None, description="local revocation list as `gridiface pki revoke` keeps it")
    check_hostname: bool = Field(
        default=True, description="whether the server's certificate must name its host; false only with `servers`"
    )


class UpstreamMember(Block):
    """One device or group as the server knows it."""

    device: Name | None = Field(default=None, description="the fleet's device")
    group: Name | None = Field(default=None, description="or a group, as one DER")
    lfdi: Lfdi | None = Field(
        default=None, description="its LFDI at the server; none: the device's own, else one derived from site and name"
    )
    connection_point: str = Field(
        default="",
        max_length=32,
        description="identifier of its connection point (CSIP-AUS: the NMI), told to the server",
    )

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.group is None) == (self.device is None):
            raise ValueError("name exactly one of `device` and `group`")
        return self


class UpstreamHints(Block):
    """Taking notifications of senders that show no certificate: as hints to look at the resource, never as content."""

    sources: tuple[Network, ...] = Field(
        min_length=1, description="addresses and networks that the server's notifications come from"
    )
    per_minute: int = Field(default=600, ge=1, le=60_000, description="so many are taken; the sender is told to wait")
    max_body_bytes: int = Field(default=65_536, ge=1_024, le=262_144, description="larger ones are refused, octets")


class UpstreamNotifications(Block):
    """Where the server's notifications come in."""

    listen: Place = Field(description="HOST:PORT that is listened on; port 0 = any free")
    uri: Server | None = Field(
        default=None,
        description="what the server is told to call, https://HOST:PORT/PATH; none: https://HOST:PORT/ntfy of `listen`",
    )
    certificate: Path | None = Field(default=None, description="PEM chain of the listener; none: that of `tls`")
    key: Path | None = Field(default=None, description="PEM: its private key")
    profile: Literal["strict", "compatible", "modern"] | None = Field(
        default=None,
        description="suites that the listener takes: as in `tls`, or modern: TLS 1.3 and AES-GCM; none: those of `tls`",
    )
    without_certificate: UpstreamHints | None = None
    renew_s: float = Field(default=72_000.0, ge=60, description="subscriptions are made anew this often, s")
    slow_poll_s: float = Field(default=3_600.0, ge=1, description="what is subscribed is polled this often, s")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` belong together")
        return self


class UpstreamDiscovery(Block):
    """Looking for the server on the local network by DNS-SD (service _smartenergy._tcp)."""

    transport: Literal["xmdns", "mdns"] = Field(
        default="xmdns", description="xmdns: domain site (2018); mdns: domain local (2023)"
    )
    interfaces: tuple[str, ...] = Field(default=(), description="network interfaces; none: every one but loopback")
    subtype: str = Field(
        default="",
        max_length=63,
        description="only servers that offer this function set, such as derp, or that have us: edev-SFDI",
    )
    instance: str = Field(default="", description="only the server of this name; none: the first by name")
    wait_s: float = Field(default=3.0, gt=0, le=60, description="answers are waited for so long, s")
    port: int = Field(default=5353, ge=1, le=65535, description="UDP port; another one than 5353 is for trials")


class Upstream(Block):
    """One utility's server that the fleet connects to."""

    name: Name = Field(description="unique among the upstreams; under it its state is kept")
    url: Server | None = Field(
        default=None,
        description="https://HOST:PORT/PATH of the server's DeviceCapability; without a path /dcap; or give `discover`",
    )
    discover: UpstreamDiscovery | None = Field(default=None, description="instead of `url`: the server is looked for")
    tls: UpstreamTls
    servers: tuple[Lfdi, ...] = Field(
        default=(), description="LFDIs that the server's certificate may have; none: any below the roots"
    )
    others: tuple[Place, ...] = Field(
        default=(), description="HOST:PORT that the server may send us to by a redirect; none is followed else"
    )
    pin: Pin | None = Field(
        default=None, ge=0, le=999_999, description="PIN that our Registration must show; none: it is not checked"
    )
    devices: tuple[UpstreamMember, ...] = Field(default=(), description="what we stand for at this server")
    all_devices: bool = Field(default=False, description="whether every device of `devices:` is one of them")
    own_group: Name | None = Field(
        default=None, description="group that controls of our own EndDevice concern; none: they concern nothing"
    )
    register_devices: bool = Field(
        default=False, description="whether EndDevices that the server does not list are posted"
    )
    csip_aus: bool = Field(default=False, description="whether DERs are described as CSIP-AUS wants it")
    mode: Literal["poll", "subscribe"] = Field(default="poll", description="subscribe needs `notifications`")
    notifications: UpstreamNotifications | None = None
    authority: float = Field(
        default=255.0,
        allow_inf_nan=False,
        description="authority of primacy 0 against other sources; each step of primacy takes one off",
    )
    post_rate_s: int = Field(
        default=300, ge=1, le=86_400, description="readings and statuses are posted this often where no postRate is set"
    )
    sample_s: float = Field(default=5.0, gt=0, le=3_600, description="the fleet is looked at this often, s")
    readings_kept: int = Field(
        default=100_000, ge=100, description="readings that wait for a lost link at most; then the oldest go"
    )
    time_qualities: tuple[Annotated[int, Field(ge=3, le=7)], ...] = Field(
        default=(3, 4, 5, 6, 7), min_length=1, description="values of Time.quality that are safe"
    )
    max_clock_offset_s: float | None = Field(
        default=None, gt=0, description="largest difference of clocks that is believed, s; none: any"
    )
    min_poll_s: float = Field(default=1.0, ge=0.1, description="nothing is polled more often, s")
    timeout_s: float = Field(default=30.0, gt=0, le=600, description="of a whole request, s")
    requests_at_once: int = Field(default=4, ge=1, le=64, description="requests under way at once")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.url is None) == (self.discover is None):
            raise ValueError("give either `url`, or `discover` to look for the server on the local network")
        if self.mode == "subscribe" and self.notifications is None:
            raise ValueError("`mode: subscribe` needs the block `notifications`")
        if not self.devices and not self.all_devices:
            raise ValueError("name at least one of `devices`, or set `all_devices: true`")
        if not self.tls.check_hostname and not self.servers:
            raise ValueError("`check_hostname: false` needs `servers`: somehow the server must be known")
        return self
