"""The verbs of `gridiface sep2` against a whole server: everything a harness makes it do, through the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer
from gridiface.cli import main
from gridiface.errors import GridifaceError

RUN = CliRunner()
LFDI = "AB" * 20


def invoke(*words: str) -> tuple[int, str]:
    result = RUN.invoke(main.app, list(words))
    if isinstance(result.exception, GridifaceError):
        return 1, str(result.exception)
    return result.exit_code, result.stdout


class Verbs:
    """A running server and `gridiface sep2` against it."""

    def __init__(self, server: GridServer, token_file: Path) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{server.ports()['operator']}"
        self.token_file = token_file

    async def run(self, *words: str) -> tuple[int, str]:
        more = ["--url", self.url, "--token-file", str(self.token_file), "--json"]
        return await asyncio.to_thread(invoke, "sep2", *words, *more)

    async def json(self, *words: str) -> Any:
        code, text = await self.run(*words)
        assert code == 0, (words, text)
        return json.loads(text)


@pytest.fixture
async def verbs(tmp_path: Path) -> AsyncIterator[Verbs]:
    code, text = invoke("init", str(tmp_path / "site"), "--listen", "127.0.0.1:0")
    assert code == 0, text
    config = tmp_path / "site" / "gridiface.yaml"
    kept: list[str] = []
    skipping = False
    for line in config.read_text().splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            skipping = line.startswith("operator:")
        if not skipping:
            kept.append(line)
    config.write_text("\n".join(kept) + '\noperator: {listen: "127.0.0.1:0"}\n')
    token_file = tmp_path / "admin.token"
    code, text = await asyncio.to_thread(
        invoke, "token", "create", "root", "--scope", "admin", "--config", str(config), "--out", str(token_file)
    )
    assert code == 0, text
    server = GridServer(load_config(config))
    await server.start()
    yield Verbs(server, token_file)
    await server.stop()


async def test_the_eleven_instructions_of_a_harness_and_reset(verbs: Verbs) -> None:
    """Ensure a device, an assignment, a program, controls, defaults; rates, cancel, mirrors, access; all undone."""
    made = await verbs.json("register", LFDI, "--pin", "111115")
    assert (made["pin"], made["granted"]) == (111_115, True)
    assert LFDI in {row["lfdi"] for row in (await verbs.json("clients"))["end_devices"]}

    path = (await verbs.json("assign", LFDI, "season"))["path"]
    assert (await verbs.json("assign", LFDI, "season"))["path"] == path
    program = await verbs.json("program", LFDI, path, "summer", "--primacy", "3")
    number = str(program["number"])
    assert (await verbs.json("primacy", number, "2"))["primacy"] == 2

    active = await verbs.json("control", "--program", number, "--set", "opModMaxLimW=5000", "--set", "rampTms=100")
    assert (active["EventStatus"]["currentStatus"], active["DERControlBase"]["opModMaxLimW"]) == (1, 5000)
    scheduled = await verbs.json(
        "control", "--program", number, "--set", "opModConnect=true", "--start", "+600", "--duration", "60",
        "--randomize-start", "-30",
    )  # fmt: skip
    assert (scheduled["EventStatus"]["currentStatus"], scheduled["randomizeStart"]) == (0, -30)
    await verbs.json("default", "--program", number, "--set", "opModMaxLimW=8000", "--more", "setGradW=27")
    curve = await verbs.json("curve", "--program", number, "--type", "11", "--y-ref", "2", "--points", "92:44,108:-44")
    assert len(curve["CurveData"]) == 2
    assert (await verbs.json("show", f"/derp/{number}/dderc"))["setGradW"] == 27
    assert (await verbs.json("cancel-controls"))["count"] == 2
    assert (await verbs.json("show", f"/derp/{number}/actderc"))["all"] == 0

    assert (await verbs.json("poll-rate", "DERProgramList", "61"))["poll_rates"] == {"DERProgramList": 61}
    assert (await verbs.json("post-rate", LFDI, "62"))["post_rate"] == 62
    assert (await verbs.json("empty-mirrors"))["count"] == 0
    assert (await verbs.json("revoke", LFDI))["count"] == 1
    assert not (await verbs.json("client", LFDI))["granted"]
    assert (await verbs.json("grant", LFDI))["count"] == 1

    gone = (await verbs.json("reset", "--yes"))["removed"]
    assert (gone["programs"], gone["assignments"]) == (1, 1)
    assert (await verbs.json("unregister", LFDI))["lfdi"] == LFDI
    assert (await verbs.run("client", LFDI))[0] == 1


async def test_a_device_is_put_under_an_aggregator_and_taken_back(verbs: Verbs) -> None:
    other = "CD" * 20
    await verbs.json("register", LFDI)
    await verbs.json("register", other, "--role", "aggregator")
    assert (await verbs.json("manage", other, LFDI, "--reason", "contract"))["managed_by"] == [other]
    assert (await verbs.json("client", LFDI))["managed_by"] == [other]
    assert (await verbs.json("release", other, LFDI))["managed_by"] == []
    for words, said in ((("release", other, LFDI), "does not act"), (("manage", LFDI, LFDI), "no aggregator")):
        code, text = await verbs.run(*words)
        assert (code != 0, said in text) == (True, True), (words, text)


async def test_messages_prices_events_and_files(verbs: Verbs, tmp_path: Path) -> None:
    await verbs.json("register", LFDI)
    text = await verbs.json("message", "Storm ahead", "--priority", "2", "--device", LFDI)
    assert (text["textMessage"], text["responseRequired"]) == ("Storm ahead", "05")
    again = await verbs.json("message", "Storm over")
    assert again["href"] != text["href"]
    price = await verbs.json("price", "0.31", "--currency", "978", "--start", "+60")
    block = (await verbs.json("show", price["ConsumptionTariffIntervalListLink"]["href"]))["members"][0]
    assert block["price"] == 31_000
    event = await verbs.json("dr", "--set", "DutyCycle.normalValue=40", "--duration", "600", "--mandatory")
    assert (event["DutyCycle"]["normalValue"], event["drProgramMandatory"]) == (40, True)
    cancelled = await verbs.json("cancel", event["href"], "--reason", "over")
    assert (cancelled["EventStatus"]["currentStatus"], cancelled["EventStatus"]["reason"]) == (2, "over")
    (tmp_path / "fw.bin").write_bytes(b"octets")
    file = await verbs.json("file", str(tmp_path / "fw.bin"), "--model", "M1", "--file-version", "2.0")
    assert (file["size"], file["fileURI"]) == (6, f"{file['href']}/content")
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"mRID": "0B", "currency": 978, "pricePowerOfTenMultiplier": -2}))
    path = (await verbs.json("create", "/bill", "--file", str(account)))["path"]
    await verbs.json("replace", f"{path}/ss", "--set", "mRID=0C", "--set", "phone=112")
    assert (await verbs.json("show", f"{path}/ss"))["phone"] == "112"
    assert (await verbs.json("remove", path))["path"] == path
    feeder = ["--set", "mRID=0C01", "--set", "roleFlags=0002", "--set", "serviceCategoryKind=0", "--set", "status=1"]
    usage = (await verbs.json("create", "/upt", *feeder))["path"]
    kind = f"{usage}/mr/1/rt"
    await verbs.json("create", f"{usage}/mr", "--set", "mRID=0C02", "--set", f"ReadingTypeLink.href={kind}")
    await verbs.json("replace", kind, "--set", "uom=38", "--set", "kind=37")
    await verbs.json("replace", f"{usage}/mr/1/r", "--set", "value=120000")
    assert (await verbs.json("show", f"{usage}/mr/1/r"))["value"] == 120_000
    audit = json.loads((await asyncio.to_thread(
        invoke, "token", "list", "--url", verbs.url, "--token-file", str(verbs.token_file), "--json"))[1])  # fmt: skip
    assert audit["tokens"]


FLOW = (
    '<FlowReservationRequest xmlns="urn:ieee:std:2030.5:ns"><mRID>F1</mRID><creationTime>1</creationTime>'
    "<energyRequested><multiplier>0</multiplier><value>5000</value></energyRequested>"
    "<intervalRequested><duration>14400</duration><start>{start}</start></intervalRequested>"
    "<powerRequested><multiplier>0</multiplier><value>2500</value></powerRequested>"
    "<RequestStatus><dateTime>1</dateTime><requestStatus>0</requestStatus></RequestStatus></FlowReservationRequest>"
)


async def test_flow_reservations_are_answered(verbs: Verbs) -> None:
    edev = (await verbs.json("register", LFDI))["path"]
    assert verbs.server.sep2 is not None
    core, now = verbs.server.sep2.desk.core, verbs.server.clock.now()
    headers = {"host": "server", "content-type": "application/sep+xml"}
    body = FLOW.format(start=int(now) + 600).encode()
    reply = await core.requests.handle("POST", f"{edev}/frq", headers, body, LFDI, now)
    assert reply.status == 201
    path = reply.headers["Location"]
    (row,) = (await verbs.json("flow"))["requests"]
    assert (row["path"], row["energy_wh"]) == (path, 5000)
    assert path in (await verbs.run("flow"))[1]
    assert (await verbs.json("flow-refuse", path, "--reason", "maintenance"))["state"] == "refused"
    granted = await verbs.json("flow-grant", path, "--power", "1000", "--start", str(int(now) + 900))
    assert len(granted["grants"]) >= 2
    for words, said in (
        (("flow-grant", path, "--power", "9000"), "more power is granted than the 2500 W"),
        (("flow-cancel", f"{edev}/frq/99"), "no flow reservation request"),
    ):
        code, text = await verbs.run(*words)
        assert (code != 0, said in text) == (True, True), (words, text)


#: What is written wrongly, and what the error says.
MISTAKES = (
    (("register", "xy"), "40 hexadecimal digits"),
    (("client", "00" * 20), "no such end device"),
    (("control", "--set", "opModMaxLimW=5000"), "name one of"),
    (("control", "--program", "999", "--set", "opModMaxLimW=5000"), "no such program"),
    (("poll-rate", "DERControlList", "60"), "no pollRate"),
    (("show", "/nowhere"), "nothing is at"),
    (("create", "/edev", "--set", "sFDI=1", "--set", "changedTime=1"), "writes nothing"),
    (("price", "0.1", "--start", "soon"), "+SECONDS"),
    (("control", "--program", "1", "--set", "opModMaxLimW"), "NAME=VALUE"),
)


async def test_errors_say_what_to_do(verbs: Verbs) -> None:
    for words, said in MISTAKES:
        code, text = await verbs.run(*words)
        assert code != 0, words
        assert said in text, (words, text)
