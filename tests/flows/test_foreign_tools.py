"""openssl and curl against the running server, bodies against the official schema, and who may see and do what."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lxml import etree

from gridiface.pki.faults import FAULTS, FaultBench
from gridiface.pki.folder import TestPki, write_credential
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlResponse,
    EndDevice,
    EventStatus,
)
from gridiface.simulation.inverter import resources
from gridiface.simulation.inverter.config import InverterConfig
from gridiface.simulation.world import WorldPlan

OPENSSL, CURL = shutil.which("openssl"), shutil.which("curl")
CIPHER = "ECDHE-ECDSA-AES128-CCM8"
ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("tools"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl: apt-get install openssl")
needs_curl = pytest.mark.skipif(CURL is None, reason="no curl: apt-get install curl")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(site_class: Any) -> AsyncIterator[Any]:
    async with site_class(WorldPlan(batteries=2, inverters=2, page_port=0)) as made:
        await made.start()
        await made.fleet_is_up()
        await made.issue("stranger")
        async with made.utility() as utility:
            fleet = await utility.program("fleet")
            now = time.time()
            for late in range(3):
                await utility.post_target(fleet, 1_000.0, start=now + late * 300, duration_s=300, now=now, title="x")
            await asyncio.sleep(2.5)  # the inverters fetch their share
        yield made


async def run(*command: str, put: bytes = b"") -> tuple[int, str]:
    """A command's exit code and everything it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20.0):
        said, _ = await process.communicate(put)
    assert process.returncode is not None
    return process.returncode, said.decode(errors="replace")


def s_client(site: Any, name: str | None, *more: str) -> list[str]:
    assert OPENSSL is not None
    pki, own = site.pki, []
    if name is not None:
        own = ["-cert", str(pki / f"{name}.pem"), "-key", str(pki / f"{name}.key")]
        own += ["-cert_chain", str(pki / f"{name}.pem")]
    address = ["-connect", f"127.0.0.1:{site.sep2_port}", "-CAfile", str(pki / "serca.pem")]
    return [OPENSSL, "s_client", *address, *own, *more]


# --- openssl ----------------------------------------------------------------------------------------------------------


@needs_openssl
async def test_openssl_negotiates_the_mandatory_suite(site: Any) -> None:
    _, said = await run(*s_client(site, "inverter1", "-tls1_2", "-cipher", f"{CIPHER}:@SECLEVEL=0"), put=b"Q\n")
    assert f"Cipher is {CIPHER}" in said
    assert "Verify return code: 0 (ok)" in said
    assert "Server Temp Key: ECDH, prime256v1, 256 bits" in said


@needs_openssl
@pytest.mark.parametrize(
    "offer",
    [
        ["-tls1_3"],
        ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
    ],
    ids=lambda offer: offer[-1],
)
async def test_openssl_gets_an_alert_for_anything_else(site: Any, offer: list[str]) -> None:
    code, said = await run(*s_client(site, "inverter1", *offer), put=b"Q\n")
    assert code != 0
    assert "alert" in said.lower() or "no protocols available" in said


@needs_openssl
async def test_a_self_signed_certificate_gets_the_alert_unknown_ca(site: Any) -> None:
    fake = FaultBench(TestPki.create(depth=4, now=time.time()), now=time.time())
    made = next(fault for fault in FAULTS if fault.name == "self-signed").make(fake)
    assert made is not None
    write_credential(site.pki, "selfsigned", made)
    command = s_client(site, "selfsigned", "-tls1_2", "-cipher", f"{CIPHER}:@SECLEVEL=0", "-state")
    _, said = await run(*command, put=b"GET /dcap HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "unknown ca" in said.lower()
    assert "DeviceCapability" not in said


async def test_without_a_certificate_there_is_no_connection(site: Any) -> None:
    with pytest.raises((ssl.SSLError, OSError)):
        await site.wire(None).ask("GET", "/dcap")


# --- curl and the official schema ---


@pytest.fixture(scope="module")
def official() -> etree.XMLSchema:
    path = Path(os.environ.get("GRIDIFACE_SEP2_XSD") or ROOT / ".cache" / "schemas" / "sep2" / "sep.xsd")
    if not path.is_file():
        pytest.skip(f"no official schema at {path}: set GRIDIFACE_SEP2_XSD or run `make test`")
    return etree.XMLSchema(etree.parse(path))


async def curl(site: Any, name: str, path: str) -> etree._Element:
    """GET one resource with curl, as README.md says it; the parsed body."""
    assert CURL is not None
    pki = site.pki
    code, said = await run(
        *(CURL, "--silent", "--show-error", "--fail", "--cacert", str(pki / "serca.pem")),
        *("--cert", str(pki / f"{name}.pem"), "--key", str(pki / f"{name}.key")),
        *("--ciphers", f"{CIPHER}:@SECLEVEL=0", "--tls-max", "1.2"),
        f"https://localhost:{site.sep2_port}{path}",
    )
    assert code == 0, said
    return etree.fromstring(said.encode())


def link(root: etree._Element, name: str) -> str:
    found = root.find(f".//{{*}}{name}")
    assert found is not None, f"no {name} in {etree.tostring(root)!r}"
    return str(found.get("href"))


@needs_curl
@pytest.mark.schema
@pytest.mark.parametrize("name", ["inverter1", "utility"])
async def test_curl_walks_to_the_controls_and_every_body_is_valid(
    site: Any, official: etree.XMLSchema, name: str
) -> None:
    seen = []

    async def step(path: str) -> etree._Element:
        root = await curl(site, name, path)
        official.assertValid(root)
        seen.append(etree.QName(root).localname)
        return root

    dcap = await step("/dcap")
    listed = await step(link(dcap, "EndDeviceListLink") + "?l=255")
    assignments = await step(link(listed, "FunctionSetAssignmentsListLink") + "?l=255")
    programs = await step(link(assignments, "DERProgramListLink") + "?l=255")
    controls = await step(link(programs, "DERControlListLink") + "?l=255")
    assert seen == [
        "DeviceCapability",
        "EndDeviceList",
        "FunctionSetAssignmentsList",
        "DERProgramList",
        "DERControlList",
    ]
    if name == "inverter1":
        assert int(controls.get("all")) >= 1


@pytest.mark.schema
@pytest.mark.parametrize("name", ["inverter1", "utility"])
async def test_every_body_that_links_lead_to_is_valid(site: Any, official: etree.XMLSchema, name: str) -> None:
    wire, seen, waiting = site.wire(name), set(), ["/dcap"]
    kinds = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = await wire.ask("GET", f"{path}?l=255")
        if answer.status == 404 and path.endswith("/dderc"):
            continue
        assert answer.status == 200, path
        root = etree.fromstring(answer.body)
        official.assertValid(root)
        kinds.add(etree.QName(root).localname)
        waiting += [each.get("href") for each in root.iter() if each.get("href", "").startswith("/")]
    assert {"Time", "DERCapability", "DERStatus", "DERControl", "ResponseList", "ReadingType"} <= kinds


# --- who may do what --------------------------------------------------------------------------------------------------


def control() -> DERControl:
    now = int(time.time())
    return DERControl(
        mRID=os.urandom(12).hex().upper() + "0000B4F3",
        creationTime=now,
        eventStatus=EventStatus(currentStatus=0, dateTime=now, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=60, start=now + 86_400),
        derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=100)),
    )


RATED = InverterConfig(server="-", certificate=Path("-"), key=Path("-"), roots=Path("-"), max_w=8_000.0)

#: (method, path below the places named in braces) -> status for inverter1, inverter2, a stranger, the utility.
MATRIX: Mapping[tuple[str, str], tuple[int, int, int, int]] = {
    ("GET", "/dcap"): (200, 200, 200, 200),
    ("GET", "/tm"): (200, 200, 200, 200),
    ("GET", "/edev"): (200, 200, 403, 200),
    ("GET", "/derp"): (200, 200, 403, 200),
    ("GET", "/mup"): (200, 200, 403, 200),
    ("GET", "/rsps"): (200, 200, 403, 200),
    ("GET", "{edev}"): (200, 404, 403, 200),
    # Who knows a PIN can pass for who registered with it: only the device itself may read it.
    ("GET", "{edev}/rg"): (200, 404, 403, 404),
    ("GET", "{edev}/fsa"): (200, 404, 403, 200),
    ("GET", "{edev}/lel"): (200, 404, 403, 200),
    ("GET", "{edev}/der/1/dercap"): (200, 404, 403, 200),
    ("GET", "{derp}"): (200, 404, 403, 200),
    ("GET", "{derp}/derc"): (200, 404, 403, 200),
    ("GET", "{fleet}"): (404, 404, 403, 200),
    ("PUT", "{edev}/der/1/dercap"): (204, 404, 403, 403),
    ("POST", "{derp}/derc"): (403, 404, 403, 201),
    ("POST", "{fleet}/derc"): (404, 404, 403, 201),
    ("POST", "{rsp}"): (400, 404, 403, 403),
    ("POST", "/mup"): (204, 403, 403, 403),
    ("POST", "/edev"): (405, 405, 403, 405),
    ("DELETE", "{edev}"): (403, 404, 403, 403),
}


def body_for(site: Any, method: str, path: str) -> Any:
    if method not in {"PUT", "POST"}:
        return None
    if path.endswith("/dercap"):
        return resources.capability(RATED)
    if path.endswith("/derc"):
        return control()
    if path == "{rsp}":
        return DERControlResponse(endDeviceLFDI=site.first_lfdi, subject="0" * 31 + "1", status=1)
    if path == "/mup":
        return resources.mirror("inverter1", site.first_lfdi)
    return EndDevice(lFDI=site.first_lfdi, sFDI=0, changedTime=0)


async def test_the_access_matrix(site: Any) -> None:
    first = site.wire("inverter1")
    listed = etree.fromstring((await first.ask("GET", "/edev?l=9")).body)
    site.first_lfdi = listed.findtext("{*}EndDevice/{*}lFDI")
    edev = listed[0].get("href")
    derp = etree.fromstring((await first.ask("GET", f"{edev}/fsa/1/derp")).body)[0].get("href")
    async with site.utility() as utility:
        fleet = (await utility.program("fleet")).href
    places = {"edev": edev, "derp": derp, "fleet": fleet, "rsp": f"/rsps/{derp.rpartition('/')[2]}/rsp"}
    clients = {name: site.wire(name) for name in ("inverter1", "inverter2", "stranger", "utility")}
    wrong = []
    for (method, path), wanted in MATRIX.items():
        for (name, wire), status in zip(clients.items(), wanted, strict=True):
            answer = await wire.ask(method, path.format(**places), body_for(site, method, path))
            if answer.status != status:
                wrong.append(f"{method} {path} by {name}: {answer.status}, not {status}")
            if answer.status >= 400:
                assert answer.reason is not None
                assert site.first_lfdi.encode() not in answer.body.upper()
    assert not wrong, "\n".join(wrong)


async def test_a_list_shows_each_client_only_its_own(site: Any) -> None:
    counts = {}
    for name in ("inverter1", "inverter2", "utility"):
        root = etree.fromstring((await site.wire(name).ask("GET", "/edev?l=255")).body)
        counts[name] = int(root.get("all"))
    assert counts["inverter1"] == counts["inverter2"] == 1
    assert counts["utility"] >= 2 + 2 + 3  # batteries, inverters, groups
