"""Every link of every page, and every address in an answer, leads somewhere, whatever the things are called.

One server in which every protocol runs, both roles of OpenADR against each other; what may have any name has one that
an address must not take as it is.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from tests.waiting import until
from typer.testing import CliRunner
from yarl import URL

from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer
from gridiface.cli import main
from gridiface.domain.changes import AppendReadings
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.operator.areas.catalogue import every_route
from gridiface.operator.server import OperatorServer
from gridiface.pki.folder import TestPki, write_credential
from gridiface.segments import segment

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("links")]

one_site = pytest.mark.asyncio(loop_scope="module")

#: What an address must not take as it is.
ODD = "a/b #?%2F+:~&='\"<>ä\u00a0€"
LFDI = "CD" * 20
PASSWORD = "rain over the northern feeder"


def odd(name: str, length: int = 128) -> str:
    """A name as long as one may be, with everything in it that means something in an address."""
    return f"{name} {ODD}".ljust(length, "x")


VEN, VTN, EVENT, CONTEXT = odd("VEN"), odd("VTN"), odd("event"), "http://utility.example/dr?one=1&two#ä b"


class Links(HTMLParser):
    """What a page leads to: `pages` are fetched, `acts` are (method, path) that its forms send to."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[str] = []
        self.acts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.pages += [given[name] for name in ("href", "src", "hx-get") if name in given]
        if "data-api" in given:
            self.acts.append((given.get("data-verb", "POST"), given["data-api"]))
        if "hx-post" in given:
            self.acts.append(("POST", given["hx-post"]))
        if tag == "form" and "action" in given:
            method = given.get("method", "get").upper()
            if method == "GET":
                self.pages.append(given["action"])
            else:
                self.acts.append((method, given["action"]))


@dataclass
class Site:
    """The running server, and an admin who has signed in."""

    server: GridServer
    session: aiohttp.ClientSession
    csrf: str
    token: str

    @property
    def home(self) -> str:
        return f"http://127.0.0.1:{self.server.ports()['operator']}"

    @property
    def operator(self) -> OperatorServer:
        assert self.server._operator is not None
        return self.server._operator

    async def get(self, path: str) -> tuple[int, str, str]:
        """(status, kind, text)."""
        async with self.session.get(URL(self.home + path, encoded=True), allow_redirects=False) as answer:
            return answer.status, answer.content_type, await answer.text(errors="replace")

    async def post(self, path: str, body: Any, verb: str = "POST") -> tuple[Any, str]:
        """Send to the API; what it said, and the Location."""
        headers = {"X-CSRF-Token": self.csrf}
        async with self.session.request(verb, self.home + "/api/v1" + path, json=body, headers=headers) as answer:
            said = await answer.json()
            assert answer.status < 300, (path, said)
            return said, answer.headers.get("Location", "")

    async def api(self, path: str) -> Any:
        status, _, text = await self.get("/api/v1" + path)
        assert status == 200, (path, text)
        return json.loads(text)

    async def route(self, method: str, path: str) -> web.UrlMappingMatchInfo | None:
        """Where the listener takes a request; None: nowhere."""
        assert self.operator._runner is not None
        found = await self.operator._runner.app.router.resolve(make_mocked_request(method, path))
        assert isinstance(found, web.UrlMappingMatchInfo)
        return None if found.http_exception is not None else found


def shape_of(match: web.UrlMappingMatchInfo) -> str:
    """The declared path of a route."""
    assert match.route.resource is not None
    return match.route.resource.canonical


def configuration(port: int) -> dict[str, Any]:
    """Every block there is."""
    tls = {"certificate": "pki/server.pem", "key": "pki/server.key", "roots": ["pki/serca.pem"]}
    member = {"device": "site-a", "resource": odd("site"), "signals": ["setpoint"], "rated_load_w": 20_000}
    client = {"lfdi": LFDI, "role": "device", "device": "edge", "pin": 111_115}
    own = {
        "name": "program",
        "url": f"http://127.0.0.1:{port}",
        "ven_id": VEN,
        "poll_s": 1,
        "programs": [{"market_context": CONTEXT, "group": "fleet"}],
        "resources": [{"id": odd("load"), "group": "fleet"}],
    }
    vtn = {"vtn_id": VTN, "listen": f"127.0.0.1:{port}", "poll_s": 1, "vens": [
        {"ven_id": VEN, "name": odd("roofs"), "groups": [odd("group")], "members": [member]}]}  # fmt: skip
    outstation = {"name": "gate_way.1", "address": 10, "group": "fleet", "profile": "iso-gateway",
                  "masters": [{"name": "Master.1-a", "address": 1}]}  # fmt: skip
    return {
        "site": "plant",
        "operator": {"listen": "127.0.0.1:0", "limits": {"requests_per_s": 1_000_000, "burst": 1_000_000}},
        "sep2": {"listen": "127.0.0.1:0", "pen": 40732, "tls": tls, "clients": [client]},
        "upstreams": [{"name": "east", "url": "https://127.0.0.1:1/dcap", "tls": tls, "all_devices": True}],
        "openadr": {"vtn": vtn, "vens": [own]},
        "dnp3": {"outstations": [outstation], "endpoints": [{"listen": "127.0.0.1:0"}]},
        "devices": [
            {"id": "inv.1_a-B", "driver": "sunspec", "connection": {"host": "127.0.0.1", "port": 1},
             "rating": {"max_w": 1000}, "name": odd("inverter")},
            {"id": "edge", "driver": "sep2", "rating": {"max_w": 1000}},
        ],
        "groups": [{"id": "fleet", "members": ["inv.1_a-B", "edge"], "name": odd("all of it")}],
    }  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("links")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "g.yaml"
    config.write_text(yaml.safe_dump(configuration(port), allow_unicode=True))
    authority, now = TestPki.create(depth=2, now=time.time()), time.time()
    authority.save(folder / "pki")
    write_credential(folder / "pki", "server", authority.issue("server", "server", now=now, hosts=["127.0.0.1"]))
    server = GridServer(load_config(config))
    await server.start()
    try:
        assert server._operator is not None
        desk = server._operator.desk
        token = await desk.tokens.create("tester", ["admin"], 1.0, now, by="test")
        user, ticket = await desk.users.create("Root@plant.example", "admin", now, by="test")
        await desk.users.redeem(ticket, PASSWORD, now)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            home = f"http://127.0.0.1:{server.ports()['operator']}"
            async with session.post(home + "/api/v1/session", json={"name": user.name, "password": PASSWORD}) as answer:
                said = await answer.json()
                assert answer.status == 201, said
            made = Site(server, session, said["csrf"], token["token"])
            await fill(made)
            yield made
    finally:
        await server.stop()


async def fill(site: Site) -> None:
    """One thing of every kind, with the oddest name it may have."""
    signal = {"name": "LOAD_DISPATCH", "type": "setpoint", "id": odd("signal"), "unit": "kW",
              "intervals": [{"duration_s": 3600, "value": -2}]}  # fmt: skip
    event = {"id": EVENT, "market_context": CONTEXT, "vens": [VEN], "signals": [signal]}
    _, where = await site.post("/openadr/vtn/events", event)
    assert (await site.get(where))[0] == 200, where
    await site.post("/openadr/vtn/vens", {"id": odd("other"), "name": odd("other VEN"), "groups": [odd("group")]})
    control = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 10.0}, "duration_s": 600}
    _, where = await site.post("/controls", control)
    assert (await site.get(where))[0] == 200, where
    await site.post("/tokens", {"name": odd("token"), "scopes": ["read"]})
    asset = {"id": odd("asset", 64), "asset_type": "battery", "zip": "94105", "capacity_kwh": 10,
             "max_discharge_kw": 5}  # fmt: skip
    _, where = await site.post("/portfolios", {"name": odd("roofs"), "assets": [asset]})
    assert (await site.get(where))[0] == 200, where
    at = time.time() - 21
    readings = tuple(
        Reading(device_id="inv.1_a-B", quantity=Quantity.ACTIVE_POWER, value=5.0, source_time=at + n, received=at + n)
        for n in range(20)
    )
    assert site.server.store is not None
    await site.server.store.commit([AppendReadings(readings)])
    settled = {"event": "evening:1.a_b-c", "devices": ["inv.1_a-B"], "start": time.time() - 20, "end": time.time() - 2,
               "method": "meter-before-after", "interval_s": 2}  # fmt: skip
    await site.post("/settlements", settled)
    await site.post(f"/sep2/end-devices/{'EF' * 20}", {"pin": 111_115}, verb="PUT")
    program = (await site.api("/sep2/programs?limit=1"))["programs"][0]["number"]
    points = [{"xvalue": 92, "yvalue": 44}, {"xvalue": 98, "yvalue": 0}]
    curve = {"CurveData": points, "curveType": 11, "yRefType": 2, "xMultiplier": 0, "yMultiplier": 0}
    await site.post("/sep2/curves", {"program": program, "curve": curve})
    await site.post("/sep2/messages", {"text": odd("Storm"), "group": "fleet"})
    await site.post("/sep2/prices", {"price": 0.31, "currency": 978})
    await site.post("/sep2/dr-events", {"asked": {"DutyCycle": {"normalValue": 40}}})
    await site.post("/sep2/default-control", {"program": program, "base": {"opModMaxLimW": 8000}}, verb="PUT")

    async def received() -> bool:
        found = await site.api("/openadr/vens/program/events")
        return any(one["id"] == EVENT and one["controls"] for one in found["events"])

    await until(received, "our VEN takes the event")


#: Pages that no page of this site leads to, and why.
ALONE = {
    "/login": "for who has not signed in",
    "/setup": "its link is printed, and shown once",
    "/live": "the stream behind all pages",
    "/sep2/flow/answer": "only while a device has asked for a reservation; the browser walks it",
}


@one_site
async def test_every_link_of_every_page_leads_somewhere(site: Site) -> None:
    waiting, seen, counts, reached = ["/"], {"/"}, Counter[Any](), set[str]()
    faults: list[str] = []
    acts: dict[tuple[str, str], str] = {}
    while waiting:
        path = waiting.pop()
        match = await site.route("GET", path)
        if match is None:
            faults.append(f"{path} is nowhere")
            continue
        reached.add(shape_of(match))
        if shape_of(match) == "/live":
            continue
        status, kind, text = await site.get(path)
        if status != 200:
            faults.append(f"{path}: {status} {text[:300]}")
        if kind != "text/html":
            continue
        found = Links()
        found.feed(text)
        for link in found.pages:
            where = urlsplit(urljoin(f"http://here{path}", link))
            address = where.path + (f"?{where.query}" if where.query else "")
            # Lists lead to lists without end: a few of each shape are walked.
            shape = re.sub(r"\d+", "0", where.path), tuple(part.partition("=")[0] for part in where.query.split("&"))
            if where.netloc != "here":
                faults.append(f"{path} leads away, to {link}")
            elif address not in seen and counts[shape] < 6:
                seen.add(address)
                counts[shape] += 1
                waiting.append(address)
        for act in found.acts:
            acts.setdefault(act, path)
    faults += [
        f"{page}: {method} {path}: {why}"
        for (method, path), page in acts.items()
        if (why := await dead(site, method, path))
    ]
    assert not faults
    pages = {page.path for page in site.operator._pages if page.method == "GET"}
    assert pages - reached == set(ALONE)
    assert len(acts) > 60


async def dead(site: Site, method: str, path: str) -> str:
    """Why what a form sends would not arrive at what it is about; "": it would."""
    match = await site.route(method, re.sub(r"\{\w+\}", "x", path))
    if match is None:
        return "no such route"
    parts, shape = path.split("/"), shape_of(match).split("/")
    if "{id}" not in shape or "{" in path:
        return ""
    own = "/".join(parts[: shape.index("{id}") + 1])
    if await site.route("GET", own) is None:
        return ""
    status, _, text = await site.get(own)
    return "" if status == 200 else f"{own}: {status} {text[:200]}"


#: What tells a row of a list from the others, the likelier first.
KEYS = ("id", "lfdi", "event", "number", "name")


def lists() -> list[str]:
    """Every operation that answers with pages of a list."""
    answers = ((one.path, getattr(one.answer, "__annotations__", {})) for one in every_route() if one.method == "GET")
    return [path for path, answer in answers if "next" in answer and "{" not in path]


@one_site
async def test_every_list_is_paged_by_what_it_says_and_each_row_is_found(site: Site) -> None:
    """One row at a time, with `next` as it came; the ids of rows lead to the operation that shows one."""
    assert len(lists()) > 10
    for path in lists():
        rows: list[Any] = []
        totals: list[int | None] = []
        after: str | None = ""
        while after is not None and len(rows) < 40:
            answer = await site.api(f"{path.removeprefix('/api/v1')}?limit=1&after={quote(after, safe='')}")
            (found,) = (value for value in answer.values() if isinstance(value, list))
            rows += found
            totals.append(answer.get("total"))
            after = answer["next"]
        # Alarms and messages may have come meanwhile.
        if after is None and totals[0] is not None and set(totals) == {totals[0]}:
            assert len(rows) == totals[0], path
        for row in rows:
            own = f"{path}/{segment(next((row[key] for key in KEYS if key in row), ''))}"
            if await site.route("GET", own) is not None:
                assert (await site.get(own))[0] == 200, own


@one_site
async def test_every_href_of_a_resource_leads_to_a_resource(site: Site) -> None:
    """Breadth first from the device capability, a few hundred of them."""
    waiting, seen = ["/dcap"], {"/dcap"}
    while waiting and len(seen) < 300:
        path = waiting.pop(0)
        answer = await site.api(f"/sep2/resource?href={quote(path, safe='')}")
        for href in hrefs_of(answer):
            if href not in seen:
                seen.add(href)
                waiting.append(href)
    assert len(seen) > 50


def hrefs_of(thing: Any) -> Iterator[str]:
    """Every href in an answer, however deep."""
    if isinstance(thing, dict):
        for name, value in thing.items():
            if name == "href" and isinstance(value, str):
                yield value
            else:
                yield from hrefs_of(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from hrefs_of(value)


@one_site
async def test_verbs_take_the_same_ids(site: Site, tmp_path: Path) -> None:
    """As words of a command line, each a whole argument."""
    token_file = tmp_path / "token"
    token_file.write_text(site.token)
    own = next(one for one in (await site.api("/openadr/vens/program/events"))["events"] if one["id"] == EVENT)
    verbs = (
        ("control", "show", own["controls"][0]),
        ("control", "decisions", "--control", own["controls"][0]),
        ("openadr", "vtn", "event", EVENT),
        ("openadr", "vtn", "ven", VEN),
        ("openadr", "vtn", "group", odd("group"), VEN),
        ("openadr", "vtn", "reports", VEN),
        ("openadr", "vtn", "data", VEN),
        ("openadr", "ven", "opt", "program", EVENT, "out"),
        ("openadr", "vtn", "cancel", EVENT),
        ("openadr", "vtn", "remove", odd("other")),
        ("token", "show", odd("token")),
        ("token", "revoke", odd("token")),
    )
    for verb in verbs:
        words = [*verb, "--url", site.home, "--token-file", str(token_file), "--json"]
        said = await asyncio.to_thread(CliRunner().invoke, main.app, words)
        assert said.exit_code == 0, (verb, said.exception, said.output)
        json.loads(said.stdout)
