"""The procedures that gridiface brings, against a whole gridiface in a process of its own: all pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from gridiface.pki.folder import TestPki, write_credential

pytestmark = [pytest.mark.timeout(180), pytest.mark.processes, pytest.mark.xdist_group("conformance")]
CONFIG = """
site: conformance
database: sqlite:///gridiface.sqlite
sep2:
  listen: 127.0.0.1:0
  tls: {certificate: pki/server.pem, key: pki/server.key, roots: [pki/serca.pem]}
  clients:
    - {name: the utility, role: utility, certificate: pki/utility.pem}
    - {name: first inverter, role: device, certificate: pki/inverter1.pem, device: inverter1, pin: 111115}
openadr:
  vtn: {vtn_id: VTN-1, listen: "127.0.0.1:0", vens: [{ven_id: VEN-A}]}
dnp3:
  outstations:
    - name: gateway
      address: 10
      group: fleet
      profile: iso-gateway
      masters: [{name: m, address: 1, unsolicited: {}}]
  endpoints: [{listen: "127.0.0.1:0"}]
devices: [{id: inverter1, driver: sep2, kind: pv_battery}]
groups: [{id: fleet, members: [inverter1]}]
operator: {listen: "127.0.0.1:0"}
logging: {level: info, format: text}
"""
SERVE = """
import asyncio, json, logging, sys
from pathlib import Path
from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer

async def main():
    server = GridServer(load_config(Path(sys.argv[1])))
    await server.start()
    print(json.dumps(dict(server.ports())), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()

logging.basicConfig(level=logging.INFO)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    authority = TestPki.create(depth=3, now=time.time())
    (folder / "pki").mkdir()
    authority.save(folder / "pki", force=True)
    for profile, name in (("server", "server"), ("utility", "utility"), ("device", "inverter1")):
        hosts = ["localhost", "127.0.0.1"] if profile == "server" else ()
        credential = authority.issue(profile, name, now=time.time(), hosts=hosts)
        write_credential(folder / "pki", name, credential, force=True)
    (folder / "gridiface.yaml").write_text(CONFIG)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(folder / "gridiface.yaml")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    line = process.stdout.readline()
    assert line, (folder / "log").read_text()
    try:
        yield folder, json.loads(line)
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.stdout.close()


def conform(*words):
    found = subprocess.run(
        [sys.executable, "-m", "gridiface.cli", "conform", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env={**os.environ},
    )
    assert found.stdout, found.stderr
    return found.returncode, json.loads(found.stdout)


def failures(report):
    return {row["id"]: (row["step"], row["reason"]) for row in report["results"] if row["verdict"] == "fail"}


def test_2030_5(site, sep2_xsd):
    folder, ports = site
    pki = folder / "pki"
    code, report = conform(
        "sep2", f"https://localhost:{ports['sep2']}/dcap", "--cert", pki / "inverter1.pem", "--key",
        pki / "inverter1.key", "--ca", pki / "serca.pem", "--utility-cert", pki / "utility.pem", "--utility-key",
        pki / "utility.key", *(["--schema", sep2_xsd] if sep2_xsd else []),
    )  # fmt: skip
    assert failures(report) == {}
    undecided = [row["id"] for row in report["results"] if row["verdict"] == "inconclusive"]
    # No plain listener is configured here, and notifications to this machine are not allowed.
    assert undecided == ["CORE-002.redirect", "CORE-019"]
    assert code == 0


def test_openadr(site):
    code, report = conform("openadr", f"http://127.0.0.1:{site[1]['openadr']}", "--ven-id", "VEN-A")
    assert failures(report) == {}
    assert report["inconclusive"] == 0
    assert code == 0


def test_openadr_says_that_the_vtn_does_not_know_the_ven_and_what_helps(site):
    # The name that the verb gives by itself is VEN-A's by now, if the procedures have run as that.
    code, report = conform("openadr", f"http://127.0.0.1:{site[1]['openadr']}", "--ven-name", "a stranger")
    reasons = {row["reason"] for row in report["results"] if row["verdict"] == "fail"}
    assert len(reasons) == 1
    (reason,) = reasons
    assert reason.startswith("the VTN refuses to register this VEN: 463 this VEN is not known here.")
    assert "--ven-id" in reason
    assert code == 1


def test_dnp3(site, tmp_path):
    junit = tmp_path / "dnp3.xml"
    code, report = conform("dnp3", f"127.0.0.1:{site[1]['dnp3']}", "--controls", "--junit", junit)
    assert failures(report) == {}
    assert report["inconclusive"] == 0
    assert code == 0
    assert b"<testsuite" in junit.read_bytes()


def test_a_wrong_server_fails(site):
    """The operator's page is no VTN: the same procedures say so."""
    port = site[1]["operator"]
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10).status == 200
    code, report = conform("openadr", f"http://127.0.0.1:{port}", "--ven-id", "VEN-A")
    assert code == 1
    assert report["pass"] == 0
    assert report["fail"] > 5


@pytest.fixture(scope="session")
def sep2_xsd():
    named = os.environ.get("GRIDIFACE_SEP2_XSD")
    path = Path(named) if named else Path(__file__).parents[2] / ".cache/schemas/sep2/sep.xsd"
    return path if path.exists() else None
