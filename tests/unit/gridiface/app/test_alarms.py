"""Each kind of alarm has its source, and a server's own trouble raises what it should."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gridiface.app.config.load import load_config
from gridiface.app.process.clock import SystemClock
from gridiface.app.wiring import GridServer
from gridiface.operator.alarms.kinds import KINDS

CONFIG = """\
site: small
operator: {{listen: "127.0.0.1:0", tls: {{certificate: {name}, key: key.pem}}, approval_share: 0.5}}
devices:
  - {{id: inv, driver: sunspec, connection: {{host: 127.0.0.1, port: 1}}, rating: {{max_w: 1000}}}}
"""


def certificate(folder: Path, days: float) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=400))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("x")]), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / f"c{days:g}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))


async def standing(server: GridServer) -> dict[str, str]:
    assert server._alarms is not None
    assert server._operator is not None
    await server._alarms.look()
    return {alarm.kind: alarm.subject for alarm in server._operator.desk.alarms.standing()}


async def running(folder: Path, days: float) -> GridServer:
    certificate(folder, days)
    config = folder / "g.yaml"
    config.write_text(CONFIG.format(name=f"c{days:g}.pem"))
    server = GridServer(load_config(config))
    await server.start()
    return server


async def test_certificates_clock_and_store_raise_alarms(tmp_path: Path, monkeypatch: Any) -> None:
    server = await running(tmp_path, 10.0)
    try:
        assert (await standing(server))["certificate_expiring"] == "c10.pem"
        server._clock_set(3600.0, server.clock.now())
        assert (await standing(server))["clock_jump"] == "clock"
        assert server._operator is not None
        assert set(KINDS) == server._alarms.kinds  # type: ignore[union-attr] # it runs
        (row,) = [a for a in server._operator.desk.alarms.standing() if a.kind == "clock_jump"]
        assert "+3600.000 s" in row.text
    finally:
        await server.stop()
    again = await running(tmp_path, 10.0)
    try:
        assert "clock_jump" in await standing(again), "alarms outlive a restart"
    finally:
        await again.stop()


async def test_certificates_that_ended_or_cannot_be_read_are_critical(tmp_path: Path) -> None:
    server = await running(tmp_path, 100.0)
    try:
        assert not {"certificate_expired", "certificate_expiring"} & set(await standing(server))
        (tmp_path / "c100.pem").write_text("nonsense")
        assert server._alarms is not None
        server._alarms._read_at = float("-inf")
        assert (await standing(server))["certificate_expired"] == "c100.pem"
    finally:
        await server.stop()


async def test_that_a_certificate_has_ended_is_told_when_it_ends(tmp_path: Path) -> None:
    server = await running(tmp_path, 10.0)
    try:
        assert server._alarms is not None
        now, expired = server.clock.now(), server._alarms._looks["certificate_expired"]
        assert expired(now) == {}
        soon = now + 10 * 86_400.0 - 60.0
        assert expired(soon) == {}
        assert "it ended" in expired(soon + 61.0)["c10.pem"]
    finally:
        await server.stop()


async def test_a_certificate_that_does_not_hold_yet_is_critical_and_in_the_log_once_a_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = await running(tmp_path, 100.0)
    try:
        assert server._alarms is not None
        now, told = server.clock.now() - 500 * 86_400.0, "c100.pem: it holds from "
        expired = server._alarms._looks["certificate_expired"]
        for at in (now, now + 7_200.0):
            assert "is the clock right?" in expired(at)["c100.pem"]
        assert [told in line for line in caplog.messages].count(True) == 1
        expired(now + 90_000.0)
        assert [told in line for line in caplog.messages].count(True) == 2
    finally:
        await server.stop()


async def test_a_clock_that_was_never_set_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: 100_000.0)
    server = await running(tmp_path, 100.0)
    await server.stop()
    assert any("the clock shows 1970-01-02: set it (NTP)" in line for line in caplog.messages)
