"""From the configuration to the 2030.5 server's settings."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.app.config.model import Client, Sep2
from gridiface.app.fleet.identities import lfdi_of
from gridiface.app.fronts.sep2_settings import notifier_context, sep2_settings, tls_keeper
from gridiface.domain.fleet import Role
from gridiface.errors import ConfigError
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import format_lfdi, lfdi_from_der


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pki")
    pki = TestPki.create(depth=2, now=time.time())
    pki.save(path)
    for profile in ("server", "utility"):
        write_credential(path, profile, pki.issue(profile, profile, now=time.time(), hosts=["localhost"]))
    return path


def sep2(folder: Path, **more: object) -> Sep2:
    tls = {"certificate": folder / "server.pem", "key": folder / "server.key", "roots": [folder / "serca.pem"]}
    return Sep2.model_validate({"listen": "127.0.0.1:0", "tls": tls, **more})


def test_client_by_certificate_has_its_lfdi(folder: Path) -> None:
    client = Client.model_validate({"certificate": folder / "utility.pem", "role": "utility"})
    settings = sep2_settings(sep2(folder, clients=[client.model_dump()]), "site")
    assert settings.clients[0].lfdi == lfdi_of(client)
    assert settings.clients[0].role is Role.UTILITY
    assert settings.poll_rate("DERProgramList") == 300


def test_keeper_loads_keys_and_trust(folder: Path) -> None:
    assert tls_keeper(sep2(folder)).state.context is not None
    with pytest.raises(ConfigError):
        tls_keeper(sep2(folder, tls={"certificate": "x.pem", "key": "x.key", "roots": ["x.pem"]}))


def test_notifications_are_sent_as_configured(folder: Path) -> None:
    settings = sep2_settings(sep2(folder, notifications={"hosts": ["Agg.Example"], "spacing_s": 5}), "site")
    assert settings.notifications is not None
    assert (settings.notifications.rules.hosts, settings.notifications.rules.loopback) == ({"agg.example"}, False)
    assert settings.notifications.spacing_s == 5
    assert settings.notifications.make() is not settings.notifications.make()
    context = notifier_context(sep2(folder), lambda _identity, _connection: "")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.sslobject_class is not ssl.SSLObject
    assert sep2_settings(sep2(folder, notifications={"enabled": False}), "site").notifications is None


def test_discovery_is_off_unless_asked_for(folder: Path) -> None:
    assert sep2_settings(sep2(folder), "home").discovery is None
    found = sep2_settings(
        sep2(folder, discovery={"interfaces": ["eth1"], "addresses": ["192.0.2.1"]}), "home"
    ).discovery
    assert found is not None
    assert (found.name, found.interfaces, found.transports, found.port) == (
        "gridiface home",
        ("eth1",),
        ("xmdns", "mdns"),
        5353,
    )
    with pytest.raises(ConfigError, match="is no address"):
        sep2_settings(sep2(folder, discovery={"addresses": ["here"]}), "home")


def test_a_pen_in_decimal_digits(folder: Path) -> None:
    assert sep2_settings(sep2(folder, pen=12345), "home").pen == 12345
    assert sep2_settings(sep2(folder, pen=12345, csip_aus={"decimal_pen": True}), "home").pen == 0x12345
    assert sep2_settings(sep2(folder, pen=4_000_000_000, csip_aus={"decimal_pen": True}), "home").pen == 4_000_000_000


def test_the_server_itself_is_known_by_its_certificate(folder: Path) -> None:
    found = sep2(folder)
    leaf = x509.load_pem_x509_certificates(found.tls.certificate.read_bytes())[0]
    lfdi = format_lfdi(lfdi_from_der(leaf.public_bytes(Encoding.DER)))
    assert sep2_settings(found, "home").lfdi == lfdi
    unread = found.model_copy(update={"tls": found.tls.model_copy(update={"certificate": folder / "nothing.pem"})})
    assert sep2_settings(unread, "home").lfdi == ""
