from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridiface.errors import ConfigError
from gridiface.pki.certificate import Certificate, parse_certificate
from gridiface.pki.folder import TestPki
from gridiface.pki.inspection import describe, inspect_chain, names_of, read_chain
from gridiface.pki.rules import sep2_rules


def test_a_file_is_read_in_either_form(pki: TestPki, now: float, tmp_path: Path) -> None:
    made = pki.issue("device", "inv1", now=now)
    (tmp_path / "pem").write_bytes(made.chain_pem)
    (tmp_path / "der").write_bytes(made.der)
    (tmp_path / "text").write_text("text")
    assert [item.der for item in read_chain(tmp_path / "pem")] == made.chain_der
    assert [item.der for item in read_chain(tmp_path / "der")] == [made.der]
    for name in ("text", "missing"):
        with pytest.raises(ConfigError, match=name):
            read_chain(tmp_path / name)


def test_a_certificate_is_described(pki: TestPki, now: float) -> None:
    made = pki.issue("device", "inv1", now=now)
    told = describe(parse_certificate(made.der))
    assert told["lfdi"] == names_of(made.der)["lfdi"]
    assert told["not_after"] == "9999-12-31T23:59:59Z"
    assert told["hardware"] == {"type": "1.3.6.1.4.1.32473.1", "serial": "inv1"}
    assert told["policies"][0] == {"oid": "1.3.6.1.4.1.40732.1.1", "name": "device_generic"}
    server = pki.issue("server", "s", now=now, hosts=["localhost", "127.0.0.1"])
    assert describe(parse_certificate(server.der))["hosts"] == ["localhost", "127.0.0.1"]


def test_a_report_holds_every_check(pki: TestPki, roots: list[Certificate], now: float) -> None:
    chain = [parse_certificate(der) for der in pki.issue("device", "inv1", now=now).chain_der]
    good = inspect_chain(chain, now=now, rules=sep2_rules(), roots=roots)
    assert good.accepted
    assert len(good.certificates) == 3
    bad = inspect_chain(chain, now=now, rules=sep2_rules(), roots=[])
    assert not bad.accepted
    told = json.loads(json.dumps(bad.as_json()))
    assert told["accepted"] is False
    assert told["checks"][0]["result"] == "fail"
    assert told["checks"][0]["alert"] == "unknown_ca"
    assert {item["check"] for item in told["checks"]} >= {"key", "expired", "no-policy"}


def test_a_ca_is_judged_as_a_ca(pki: TestPki, roots: list[Certificate], now: float) -> None:
    for authority in pki.authorities.values():
        report = inspect_chain([parse_certificate(authority.der)], now=now, rules=sep2_rules(), roots=roots)
        assert report.accepted
        assert "ca-as-peer" not in {check.name for check in report.checks}
