"""Whom a client of the configuration is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.app.config.model import Client
from gridiface.app.fleet.identities import lfdi_of
from gridiface.errors import ConfigError
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import format_lfdi, lfdi_from_der


def test_lfdi_is_that_of_the_leaf(tmp_path: Path) -> None:
    issued = TestPki.create(depth=2, now=time.time()).issue("utility", "utility", now=time.time(), hosts=[])
    write_credential(tmp_path, "utility", issued)
    pem = (tmp_path / "utility.pem").read_bytes()
    der = x509.load_pem_x509_certificates(pem)[0].public_bytes(Encoding.DER)
    client = Client.model_validate({"certificate": tmp_path / "utility.pem"})
    assert lfdi_of(client) == format_lfdi(lfdi_from_der(der))


def test_missing_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.pem"):
        lfdi_of(Client.model_validate({"certificate": tmp_path / "gone.pem"}))
