"""Many VENs at our VTN over HTTP and a database file: events come, change and go while reports flow, and it dies twice.

The VTN is a server in a process of its own, killed by SIGKILL and restarted in order; the VENs are cores of ours here.
What a VEN was told is taken (an answer to an event, a report) is there at the end, every queue is empty, and no
event is lost. GRIDIFACE_THOROUGH=1 has 200 VENs and 200 events.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.flows.test_openadr_kill import PROGRAM, Side, free_port, reached

from gridiface.protocols.openadr.answers import succeeded
from gridiface.protocols.openadr.events import CANCELLED
from gridiface.protocols.openadr.payloads import event, report, units
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, SampleMemory, Ven, VenConfig, Verdict
from gridiface.protocols.openadr.ven.session import Request

THOROUGH = os.environ.get("GRIDIFACE_THOROUGH") == "1"
VENS, EVENTS = (200, 200) if THOROUGH else (12, 8)
pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("openadr"), pytest.mark.timeout(900 if THOROUGH else 240)]


class Site:
    """One VEN, and what the VTN has acknowledged to it: its word on events, and the number of values it reported."""

    def __init__(self, number: int, url: str) -> None:
        chance, numbers = random.Random(number), itertools.count()
        point = DataPoint(rid="site/W", unit=units.power_real(), resources=("site",))
        self.name, self.url, self.memory = f"V{number}", url, SampleMemory()
        #: Of each event its last acknowledged word, and those that it sent since: a VTN that refuses one answer takes
        #: the others of the same payload (rule 19), and one that dies behind its commit knows more than we do.
        self.words: dict[str, list[str]] = {}
        #: What it said of each event, answered or not.
        self.sent: set[tuple[str, str]] = set()
        #: The versions that it was told are cancelled: what it says of them is no word on taking part.
        self.ends: set[tuple[str, int]] = set()
        self.confirmed: set[str] = set()
        self.values = 0
        self.core = Ven(
            VenConfig(
                name=self.name,
                ven_id=self.name,
                retry_first=0.2,
                retry_most=1.0,
                registration_retry=0.5,
                offers=(ReportOffer(specifier="telemetry-usage", name="TELEMETRY_USAGE", points=(point,)),),
            ),
            lambda _new, _old: Verdict(chance.choice(("optIn", "optIn", "optOut"))),
            self.memory,
            lambda: f"{self.name}-{next(numbers)}",
            chance.random,
        )

    async def run(self, session: aiohttp.ClientSession) -> None:
        while True:
            now = time.time()
            self.memory.record("telemetry-usage", "site/W", Sample(at=float(int(now)), value=1.0))
            self.core.handle_timer(now)
            self.core.take_changes()
            for request in self.core.next_requests(now):
                await self.exchange(session, request)
            await asyncio.sleep(min(max(0.02, self.core.next_timer(time.time()) - time.time()), 0.5))

    async def exchange(self, session: aiohttp.ClientSession, request: Request) -> None:
        self.said(request.payload, acknowledged=False)
        path, headers = f"{self.url}/OpenADR2/Simple/2.0b/{request.service}", {"Content-Type": "application/xml"}
        try:
            async with session.post(path, data=encode_payload(request.payload), headers=headers) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.core.failed(request.id, time.time())
            return
        if status != 200:
            self.core.failed(request.id, time.time(), status=status)
            return
        payload = decode_payload(body)[0] if body else None
        said = getattr(payload, "eiResponse", None)
        if said is None or succeeded(said):
            self.said(request.payload, acknowledged=True)
        for one in payload.oadrEvent if isinstance(payload, event.OadrDistributeEvent) else ():
            facts = one.eiEvent.eventDescriptor
            if facts.eventStatus == CANCELLED:
                self.ends.add((facts.eventID, facts.modificationNumber))
        self.core.receive(request.id, payload, time.time())

    def said(self, payload: object, *, acknowledged: bool) -> None:
        for name, (modification, word) in words_of(payload).items():
            if (name, modification) in self.ends:
                self.confirmed |= {name} if acknowledged else set()
                continue
            self.sent.add((name, word))
            if acknowledged:
                self.words[name] = [word]
            elif name in self.words:
                self.words[name].append(word)
        if acknowledged and isinstance(payload, report.OadrUpdateReport):
            self.values += sum(len(one.intervals.interval) for one in payload.oadrReport if one.intervals)


def words_of(payload: object) -> dict[str, tuple[int, str]]:
    """Modification number and optType by event, of what is an oadrCreatedEvent."""
    if not isinstance(payload, event.OadrCreatedEvent) or not payload.eiCreatedEvent.eventResponses:
        return {}
    return {
        one.qualifiedEventID.eventID: (one.qualifiedEventID.modificationNumber, one.optType)
        for one in payload.eiCreatedEvent.eventResponses.eventResponse
    }


@pytest.fixture
async def head(tmp_path: Path) -> AsyncIterator[Side]:
    vens = [{"ven_id": f"V{number}", "resources": ["site"]} for number in range(VENS)]
    wish = {"name": "TELEMETRY_USAGE", "granularity_s": 1, "back_s": 2}
    port = free_port()
    vtn = {"vtn_id": "VTN-1", "listen": f"127.0.0.1:{port}", "poll_s": 1, "wishes": [wish], "vens": vens}
    side = Side(tmp_path, "head", {"openadr": {"vtn": vtn}})
    side.url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]  # where its VENs find it
    await side.make_token()
    await side.start()
    yield side
    await side.stop()


async def test_nothing_acknowledged_is_lost_and_no_queue_is_left(head: Any) -> None:
    chance, made = random.Random(3), {}
    sites = [Site(number, head.url) for number in range(VENS)]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
        tasks = [asyncio.create_task(site.run(session)) for site in sites]
        try:
            await reached(lambda: all_there(head), "all are registered and report")
            for number in range(EVENTS):
                made[f"E{number}"] = await act(head, chance, f"E{number}", list(made))
                if number == EVENTS // 3:
                    await head.kill()
                elif number == 2 * EVENTS // 3:
                    await head.stop()
                    await head.start()
            await reached(lambda: all_answered(head, made), "every event is answered, every end confirmed")
            before = sum(site.values for site in sites)
            await reached(lambda: more_than(sites, before), "reports go on")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    for name in made:
        found = {row["ven"]: row for row in (await head.ask("GET", f"/vtn/events/{name}"))["deliveries"]}
        known = {ven: row["opt"] for ven, row in found.items() if row["opt"]}
        said = {site.name: site.words[name] for site in sites if name in site.words}
        assert not {ven: words for ven, words in said.items() if known.get(ven) not in words}, (name, known)
        assert all((name, known[site.name]) in site.sent for site in sites if site.name in known), name
        assert all(found[site.name]["cancel_confirmed"] for site in sites if name in site.confirmed), name
    for site in sites:
        assert (await head.ask("GET", f"/vtn/vens/{site.name}/reports/data?limit=1"))["total"] >= site.values > 0
    waiting = Counter(kind for ven in await everybody(head) for kind in ven["waiting"])
    assert not waiting


async def act(head: Side, chance: random.Random, name: str, others: list[str]) -> None:
    """A new event; now and then an older one is changed or cancelled."""
    vens = [f"V{number}" for number in sorted(chance.sample(range(VENS), 8))]
    start = datetime.fromtimestamp(int(time.time()) + chance.choice((-1, 60)), UTC).isoformat()
    steps = [{"duration_s": 3600, "value": 1}]
    signals = [{"name": "SIMPLE", "type": "level", "intervals": steps}]
    body = {"id": name, "market_context": PROGRAM, "start": start, "signals": signals, "vens": vens}
    await head.ask("POST", "/vtn/events", body)
    live = [one for one in others if (await head.ask("GET", f"/vtn/events/{one}"))["status"] != "cancelled"]
    if live and chance.random() < 0.5:
        await head.ask("PATCH", f"/vtn/events/{chance.choice(live)}", {"comment": f"beside {name}"})
    if live and chance.random() < 0.3:
        await head.ask("POST", f"/vtn/events/{chance.choice(live)}/cancel", {"reason": "enough"})


async def everybody(head: Side) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await head.ask("GET", "/vtn/vens?limit=1000"))["vens"]
    return found


async def all_there(head: Side) -> bool:
    return all(ven["liveness"] == "present" and not ven["waiting"] for ven in await everybody(head))


async def all_answered(head: Side, names: dict[str, None]) -> bool:
    for name in names:
        found = await head.ask("GET", f"/vtn/events/{name}")
        for row in found["deliveries"]:
            over = found["status"] == "cancelled" and (row["cancel_confirmed"] or row["state"] == "unsent")
            if not (over or (found["status"] != "cancelled" and row["state"] == "acknowledged")):
                return False
    return not any(ven["waiting"] for ven in await everybody(head))


async def more_than(sites: list[Site], values: int) -> bool:
    return sum(site.values for site in sites) > values + len(sites)
