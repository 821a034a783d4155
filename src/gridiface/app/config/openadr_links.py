"""What the configuration may say of how OpenADR peers are reached: keys and trust, push, XMPP."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from gridiface.app.config.base import Block
from gridiface.app.config.openadr_words import DOMAIN, Address, Jid, Place


class OpenAdrKeyPair(Block):
    """One certificate chain with its key."""

    certificate: Path = Field(description="PEM: own certificate, followed by its intermediates")
    key: Path = Field(description="PEM: its private key, readable by its owner only")


class OpenAdrTls(OpenAdrKeyPair):
    """Keys and trust; TLS 1.2 with the two suites of the profile, certificates on both sides."""

    also: OpenAdrKeyPair | None = Field(default=None, description="a second chain: RSA beside ECC, or the reverse")
    roots: tuple[Path, ...] = Field(min_length=1, description="PEM files with the root certificates to trust")
    revoked: Path | None = Field(default=None, description="local revocation list as `gridiface pki revoke` keeps it")
    wide: bool = Field(
        default=False, description="beside the two suites newer ones and TLS 1.3, for peers whose TLS lacks the two"
    )


class OpenAdrPush(Block):
    """The VTN calls us, instead of being asked."""

    listen: Place = Field(description="HOST:PORT that is listened on")
    address: Address = Field(description="what the VTN is told to call, before OpenADR2/Simple/2.0b")


class OpenAdrXmppLogin(Block):
    """A login as a user of an XMPP server: by certificate (SASL EXTERNAL), or with a password."""

    jid: Jid = Field(description="full JID: the user name is the certificate's name at most servers")
    server: Place = Field(description="HOST:PORT of the XMPP server")
    tls: OpenAdrTls = Field(description="keys and trust towards the XMPP server, whose name is the JID's domain")
    direct_tls: bool = Field(default=False, description="TLS from the first octet on, instead of STARTTLS")
    password_file: Path | None = Field(
        default=None, description="file with a password, for servers without SASL EXTERNAL"
    )


class OpenAdrXmppVen(OpenAdrXmppLogin):
    """Our VEN speaks XMPP instead of simple HTTP."""

    directory: str = Field(
        default="", max_length=1024, description="JID that is asked for the VTN's services; empty: the JID's domain"
    )


class OpenAdrXmppComponent(Block):
    """A login as an external component (XEP-0114): the VTN is a domain of its own at the XMPP server."""

    domain: str = Field(pattern=DOMAIN, description="domain of the component, for example vtn.xmpp.example")
    server: Place = Field(description="HOST:PORT of the server's component listener; the link is not encrypted")
    secret_file: Path = Field(description="file with the secret shared with the server")

    @model_validator(mode="after")
    def _on_this_machine(self) -> Self:
        if self.server.rpartition(":")[0] not in {"127.0.0.1", "localhost", "[::1]"}:
            raise ValueError("a component's link is not encrypted: only this machine's server, or a tunnel to one")
        return self


class OpenAdrXmppVtn(Block):
    """Our VTN at an XMPP server, beside simple HTTP."""

    component: OpenAdrXmppComponent | None = Field(default=None, description="as a component of the server")
    login: OpenAdrXmppLogin | None = Field(default=None, description="or as a user of it")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.component is None) == (self.login is None):
            raise ValueError("give exactly one of `component` and `login`")
        return self
