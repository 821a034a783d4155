"""Certificates for people: the same checks as the listener, requests signed, certificates revoked, all of it noted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.operator.certificates import CertificateDesk
from gridiface.operator.problems import Refused
from gridiface.pki.authority import make_request, new_key
from gridiface.pki.folder import TestPki

NOW = time.time()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pki")
    TestPki.create(depth=3, now=NOW).save(made, force=True)
    return made


@pytest.fixture
def desk(folder: Path) -> CertificateDesk:
    return CertificateDesk(roots=[folder / "serca.pem"], revoked=folder / "revoked.txt", authority=folder)


def device(folder: Path, name: str) -> str:
    return TestPki.load(folder).issue("device", name, now=NOW).chain_pem.decode()


def request_of(key: Any = None) -> str:
    return make_request("inv9", key=key or new_key()).public_bytes(Encoding.PEM).decode()


def test_a_good_chain_passes_and_each_check_names_its_clause(desk: CertificateDesk, folder: Path) -> None:
    found = desk.inspect(device(folder, "good"), "sep2", NOW)
    assert found["accepted"]
    assert len(found["certificates"][0]["lfdi"]) == 40
    assert all(check["clause"] for check in found["checks"])
    assert not desk.inspect(device(folder, "good2"), "openadr", NOW - 10 * 366 * 86_400)["accepted"]


def test_words_of_any_language_may_stand_beside_the_pem(desk: CertificateDesk, folder: Path) -> None:
    assert desk.inspect("Zertifikat f\u00fcr M\u00fcller\n" + device(folder, "beside"), "sep2", NOW)["accepted"]
    assert desk.inspect("Antrag f\u00fcr M\u00fcller\n" + request_of(), "sep2", NOW)["kind"] == "request"


def test_an_unknown_root_is_refused_with_the_check_that_failed(folder: Path) -> None:
    other = TestPki.create(depth=3, now=NOW).issue("device", "stranger", now=NOW).chain_pem.decode()
    found = CertificateDesk(roots=[folder / "serca.pem"]).inspect(other, "sep2", NOW)
    assert not found["accepted"]
    assert [check for check in found["checks"] if check["result"] == "fail"]


def test_a_request_is_judged_signed_and_kept(desk: CertificateDesk, folder: Path) -> None:
    pem = request_of()
    found = desk.inspect(pem, "sep2", NOW)
    assert found["kind"] == "request"
    assert found["accepted"]
    made = desk.sign(pem, "device", "inv9", (), NOW)
    assert desk.inspect(made["certificate"], "sep2", NOW)["accepted"]
    assert (folder / "inv9.pem").exists()
    with pytest.raises(Refused) as caught:
        desk.sign(pem, "device", "inv9", (), NOW)
    assert caught.value.status == 409
    with pytest.raises(Refused):
        desk.sign(pem, "mica", "inv10", (), NOW)
    with pytest.raises(Refused):
        desk.sign(pem, "device", "../x", (), NOW)


def test_another_curve_fails(desk: CertificateDesk) -> None:
    found = desk.inspect(request_of(ec.generate_private_key(ec.SECP384R1())), "sep2", NOW)
    assert not found["accepted"]
    assert {"check": "key is EC P-256", "result": "fail"}.items() <= found["checks"][1].items()


def test_a_revoked_certificate_is_refused(desk: CertificateDesk, folder: Path) -> None:
    pem = device(folder, "stolen")
    assert set(desk.revoke(pem, "stolen")) == {"lfdi", "serial"}
    assert not desk.inspect(pem, "sep2", NOW)["accepted"]
    assert "BEGIN CERTIFICATE" in desk.bundle()


@pytest.mark.parametrize(
    "pem", ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\u00e9"]
)
def test_what_is_no_certificate_is_refused(desk: CertificateDesk, pem: str) -> None:
    with pytest.raises(Refused) as caught:
        desk.inspect(pem, "sep2", NOW)
    assert caught.value.status == 422
    assert "codec" not in str(caught.value)


def test_private_keys_are_not_taken(desk: CertificateDesk) -> None:
    marks = [f"-----BEGIN {kind} KEY-----" for kind in ("PRIVATE", "EC PRIVATE")]
    for pem in (marks[0], f"-----BEGIN CERTIFICATE REQUEST----- {marks[1]}"):
        with pytest.raises(Refused, match="private key"):
            desk.inspect(pem, "sep2", NOW)


def test_without_a_ca_or_a_list_nothing_is_signed_or_revoked(folder: Path) -> None:
    bare = CertificateDesk()
    with pytest.raises(Refused, match="no CA is configured"):
        bare.sign(request_of(), "device", "x", (), NOW)
    with pytest.raises(Refused, match="no revocation list"):
        bare.revoke(device(folder, "bare"), "")
    missing = CertificateDesk(roots=[folder / "nowhere.pem"])
    with pytest.raises(Refused):
        missing.bundle()
    with pytest.raises(Refused):
        missing.inspect(device(folder, "bare2"), "sep2", NOW)


async def test_over_rest_and_on_the_page(house: Any, folder: Path, desk: CertificateDesk) -> None:
    house.desk.certificates = desk
    house.clock.at = NOW
    pem = device(folder, "rest")
    asked = {"pem": pem}
    tokens = house.tokens
    for scope in ("read", "configure"):
        text = (await house.desk.tokens.create(f"{scope}2", [scope], 1.0, NOW, by="test"))["token"]
        tokens[f"{scope}2"] = text
    _, found, _ = await house.ask("POST", "/api/v1/certificates/inspect", scope="read2", json=asked)
    assert found["accepted"]
    assert (await house.ask("POST", "/api/v1/certificates/revoke", scope="read2", json=asked))[0] == 403
    status, _, _ = await house.ask("POST", "/api/v1/certificates/revoke", scope="configure2", json=asked)
    assert status == 200
    body = {"pem": request_of(), "name": "inv-rest"}
    status, made, _ = await house.ask("POST", "/api/v1/certificates/sign", scope="configure2", json=body)
    assert status == 201
    assert "BEGIN CERTIFICATE" in made["certificate"]
    status, text, headers = await house.ask("GET", "/api/v1/certificates/bundle", scope="read2")
    assert "BEGIN CERTIFICATE" in text
    assert "attachment" in headers["Content-Disposition"]
    changes = [key for space, key in house.records.kept if space == "operator/audit"]
    assert len(changes) >= 2

    status, text, _ = await house.ask("GET", "/certificates", scope="read2")
    assert status == 200
    status, text, _ = await house.ask("POST", "/certificates", scope="read2", data=asked)
    assert "A listener would refuse it" in text
    assert "Revoke it" not in text
    status, text, _ = await house.ask("POST", "/certificates", scope="configure2", data={"pem": request_of()})
    assert "Sign it" in text
    form = {"pem": request_of(), "name": "inv-page", "profile": "device", "hosts": ""}
    status, text, _ = await house.ask("POST", "/certificates/sign", scope="configure2", data=form)
    assert "It is signed." in text, text
    status, text, _ = await house.ask("POST", "/certificates/sign", scope="configure2", data=form | {"name": "a b"})
    assert status == 422
    form = {"pem": device(folder, "page"), "reason": "lost"}
    status, text, _ = await house.ask("POST", "/certificates/revoke", scope="configure2", data=form)
    assert "It is revoked" in text
    status, text, _ = await house.ask("POST", "/certificates", scope="read2", data={"pem": "<script>"})
    assert status == 422
    assert "&lt;script&gt;" in text
