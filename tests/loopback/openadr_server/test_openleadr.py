"""openleadr 0.5.36 on the other side of our adapters, each over plain HTTP, TLS, and TLS with XML signatures.

Its VTN's events become controls of a real engine and its reports show the power; its VEN is a member of our fleet.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gridiface.app.config.openadr import OpenAdr
from gridiface.app.fronts.openadr_settings import openadr_vens, openadr_vtn
from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.reports import ReportRequest

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]
SCRIPTS = Path(__file__).parents[1] / "openadr"
LEVELS = pytest.mark.parametrize("level", ["plain", "tls", "signed", "signed-rsa"], indirect=True)
PROGRAM = "http://program.example/dr"


class Process:
    """openleadr in its own Python; JSON lines in and out."""

    def __init__(self, python, script):
        self._command = [python, str(SCRIPTS / script)]
        self.lines, self.words = [], []

    async def start(self, *arguments):
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        self._task = asyncio.create_task(self._read())

    async def _read(self):
        while line := await self._process.stdout.readline():
            if line.startswith(b"{"):
                self.lines.append(json.loads(line))
            else:
                self.words.append(line.decode())

    def say(self, **command):
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def heard(self, kind):
        return [line for line in self.lines if line["kind"] == kind]

    async def stop(self):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._task
        self._process._transport.close()


@pytest.fixture
async def openleadr(openleadr_python):
    processes = []

    async def start(script, *arguments):
        process = Process(openleadr_python, script)
        processes.append(process)
        await process.start(*arguments)
        return process

    yield start
    for process in processes:
        await process.stop()


class Keys:
    """The certificates of both sides."""

    def __init__(self, authority, folder, level):
        made = (lambda: rsa.generate_private_key(65537, 2048)) if level == "signed-rsa" else lambda: None
        self.root = str(folder / "root.pem")
        self.vtn, self.vtn_print = authority.issue("vtn", key=made())
        self.ven, self.ven_print = authority.issue("ven", key=made())
        # OpenSSL as Python sets it up has no suite with RSA key exchange, so openleadr has none either.
        for tls in (self.vtn, self.ven):
            tls["wide"] = level == "signed-rsa"

    def files(self, name):
        tls = getattr(self, name)
        return {"cert": str(tls["certificate"]), "key": str(tls["key"])}


@pytest.fixture
def level(request):
    return getattr(request, "param", "signed")


@pytest.fixture
def keys(make_authority, tmp_path, level):
    return Keys(make_authority(tmp_path), tmp_path, level)


# -- its VTN -------------------------------------------------------------------------------------------------------


def its_vtn(level, keys):
    """Arguments of openleadr's VTN, and the block of our VEN."""
    block = {
        "name": "utility",
        "ven_name": "gridiface",
        "programs": [{"group": "fleet"}],
        # openleadr reads one value of an interval only, and breaks at the values of a status report.
        "one_point_each": True,
        "resources": [{"id": "site", "group": "fleet", "status": False}],
    }
    if level == "plain":
        return {}, block
    server = {"http_cert": str(keys.vtn["certificate"]), "http_key": str(keys.vtn["key"]), "http_ca_file": keys.root}
    server |= {"ven_fingerprint": keys.ven_print, "verify_message_signatures": level.startswith("signed")}
    block["tls"] = keys.ven
    if level.startswith("signed"):
        server |= keys.files("vtn")
        block["signatures"] = keys.vtn_print
    return server, block


@LEVELS
async def test_an_event_of_openleadr_reaches_the_batteries_and_its_report_shows_it(
    openleadr, make_house, eventually, keys, level
):
    server, block = its_vtn(level, keys)
    vtn = await openleadr("openleadr_vtn.py", json.dumps(server))
    await eventually(lambda: vtn.heard("listening"), "the VTN", 60.0)
    site = make_house()
    (ven,) = openadr_vens(
        OpenAdr.model_validate({"vens": [{**block, "url": vtn.heard("listening")[0]["url"]}]}),
        clock=site.clock,
        ledger=site.ledger,
        inbox=site.dispatch,
        fleet=site.engine,
    )
    site.dispatch.listeners.append(ven.on_outcome)
    await site.run(ven)
    await eventually(lambda: vtn.heard("registration"), "registration", 60.0)
    assert vtn.heard("registration")[0]["fingerprint"] == (None if level == "plain" else keys.ven_print)
    await eventually(lambda: vtn.heard("data"), "a report", 60.0)

    vtn.say(do="event", id="E1", delay=1, duration=60, value=-4000, signal="LOAD_DISPATCH", type="setpoint")
    await eventually(lambda: vtn.heard("answer"), "the answer", 60.0)
    assert vtn.heard("answer")[0] == {"kind": "answer", "event": "E1", "opt": "optIn"}
    (control,) = site.ledger.live()
    assert control.values[ControlMode.SET_W].value == 4000.0
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(4000.0), "the set-points", 60.0)
    await eventually(lambda: vtn.heard("data")[-1]["values"][-1] == pytest.approx(-4000.0), "the delivered power", 60.0)

    vtn.say(do="modify", id="E1", value=-2000)
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(2000.0), "the change", 60.0)
    await eventually(lambda: len(vtn.heard("answer")) == 2, "the answer to the change", 60.0)

    vtn.say(do="cancel", id="E1")
    await eventually(lambda: not site.ledger.live(), "no control is left", 60.0)

    # It has no EiOpt: what is opted out later is told by oadrCreatedEvent.
    vtn.say(do="event", id="E2", delay=1, duration=60, value=-1000, signal="LOAD_DISPATCH", type="setpoint")
    await eventually(lambda: len(vtn.heard("answer")) == 3, "the answer to the second event", 60.0)
    await ven.opt("E2", "optOut")
    await eventually(lambda: not site.ledger.live(), "the operator's word ends it", 60.0)

    await ven.do(lambda core, _: core.cancel_registration())
    await eventually(lambda: vtn.heard("cancelled"), "the end of the registration", 60.0)


# -- its VEN -------------------------------------------------------------------------------------------------------


def its_ven(level, keys):
    """Arguments of openleadr's VEN, and the block of our VTN."""
    member = {"device": "heater-1", "resource": "heater", "kind": "load", "rated_load_w": 5000}
    known = {"ven_id": "VEN-O", "members": [member]}
    # openleadr's VEN takes a vtnID in small letters for wrong.
    block = {"vtn_id": "VTN-1", "listen": "127.0.0.1:0", "poll_s": 1, "vens": [known]}
    block["wishes"] = [{"granularity_s": 1, "back_s": 2}]
    if level == "plain":
        return {"ven_id": "VEN-O"}, block
    client = keys.files("ven") | {"ca_file": keys.root, "show_fingerprint": False}
    block["tls"] = keys.vtn
    known |= {"fingerprint": keys.ven_print, "signatures": level.startswith("signed")}
    if level == "tls":
        return client | {"disable_signature": True}, block
    return client | {"vtn_fingerprint": keys.vtn_print}, block


def simple_event(name, start, values):
    signal = Signal(name="SIMPLE", type="level", id="s", durations=(600,) * len(values), values=values)
    return Event(
        id=name,
        market_context=PROGRAM,
        dtstart=start,
        duration=600 * len(values),
        signals=(signal,),
        notification=60,
        ramp_up=30,
        recovery=30,
    )


@LEVELS
async def test_openleadrs_ven_runs_through_everything_with_our_vtn(openleadr, make_house, eventually, keys, level):
    client, block = its_ven(level, keys)
    head = make_house(batteries=False)
    vtn = openadr_vtn(
        OpenAdr.model_validate({"vtn": block}), clock=head.clock, ledger=head.ledger, registry=head.dispatch
    )
    head.dispatch.channels.append(vtn.channel)
    await head.run(vtn)
    url = f"{'http' if level == 'plain' else 'https'}://127.0.0.1:{vtn.port}"
    ven = await openleadr("openleadr_ven.py", url, json.dumps(client))
    core = vtn.core

    await eventually(lambda: ven.heard("registered"), "registration", 60.0)
    assert ven.heard("registered")[0]["ven"] == "VEN-O"
    assert core.vens["VEN-O"].registered
    await eventually(lambda: vtn.members.latest("heater-1"), "telemetry of the member", 60.0)
    assert vtn.members.latest("heater-1").w == -1.5
    await eventually(lambda: "register_report" not in core.waiting("VEN-O"), "metadata both ways", 60.0)

    start = float(int(head.clock.now()) + 600)
    await vtn.do(lambda c, now: c.create_event(simple_event("E1", start, (1.0, 2.0)), ["VEN-O"], now))
    await eventually(lambda: core.said("VEN-O", "E1", None) == "optIn", "the answer to the event", 60.0)
    await eventually(lambda: ven.heard("event"), "its word on the event", 60.0)
    assert ven.heard("event")[0]["values"] == [1.0, 2.0]
    assert ven.heard("event")[0]["notification"] == "0:01:00"

    changed = simple_event("E1", start, (3.0, 1.0)).signals
    await vtn.do(lambda c, now: c.modify_event("E1", now, signals=changed))
    await eventually(lambda: core.delivery("VEN-O", "E1").answered == 1, "the answer to the change", 60.0)
    await eventually(lambda: ven.heard("update"), "its word on the change", 60.0)
    assert ven.heard("update")[0]["values"] == [3.0, 1.0]
    assert core.delivery("VEN-O", "E1").opt == "optOut"

    ven.say(do="opt", event="E1", resource="heater", modification=1)
    await eventually(lambda: ven.heard("opted"), "the opt", 60.0)
    assert core.opt_of("VEN-O", "E1", "heater", start) == "optOut"

    await vtn.do(lambda c, now: c.cancel_event("E1", now))
    await eventually(lambda: core.delivery("VEN-O", "E1").cancel_done, "the acknowledged cancellation", 60.0)

    # A set-point of the fleet reaches it as an event of its own.
    now = head.clock.now()
    told = Setpoint(device_id="heater-1", issued=now, active_power_w=-2000.0, valid_until=now + 300)
    (delivery,) = await vtn.channel.apply([told], deadline=now + 5)
    assert delivery.outcome == "published"
    await eventually(lambda: any(e["signal"] == "LOAD_DISPATCH" for e in ven.heard("event")), "the set-point", 60.0)

    wanted = [ReportRequest(id="", specifier="usage", rids=("heater-power",))]
    (request,) = await vtn.do(lambda c, _: c.request_reports("VEN-O", wanted))
    await eventually(lambda: "create_report" not in core.waiting("VEN-O"), "oadrCreatedReport", 60.0)
    space = f"{vtn._space}/data/VEN-O"
    found = lambda: [key for where, key in head.ledger.kept if where == space and key.endswith(f"/{request}")]  # noqa: E731
    await eventually(found, "the one-shot report", 60.0)

    await vtn.do(lambda c, _: c.request_reregistration("VEN-O"))
    await eventually(lambda: "reregistration" not in core.waiting("VEN-O"), "the re-registration", 60.0)

    ven.say(do="cancel")
    await eventually(lambda: not core.vens["VEN-O"].registered, "the end of the registration", 60.0)
    assert bool([key for _, key in head.ledger.kept if key.startswith("nonce/")]) is level.startswith("signed")


async def test_what_openleadr_does_not_sign_is_refused(openleadr, make_house, eventually, keys, make_authority):
    client, block = its_ven("signed", keys)
    head = make_house(batteries=False)
    vtn = openadr_vtn(
        OpenAdr.model_validate({"vtn": block}), clock=head.clock, ledger=head.ledger, registry=head.dispatch
    )
    await head.run(vtn)
    # It speaks with the right certificate and does not sign.
    client["disable_signature"] = True
    ven = await openleadr("openleadr_ven.py", f"https://127.0.0.1:{vtn.port}", json.dumps(client))
    await eventually(lambda: any("403" in words for words in ven.words), "the refusal", 60.0)
    assert not vtn.core.vens["VEN-O"].registered
    assert [line["ven"] for line in ven.heard("registered")] in ([], [None])
