"""Every operation of a whole server, asked by schemathesis with what its description allows and what it does not."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
import schemathesis.checks
from hypothesis import HealthCheck
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer
from gridiface.operator.areas.catalogue import every_route
from gridiface.pki.folder import TestPki, write_credential

#: Requests per operation; GRIDIFACE_SCHEMATHESIS asks for more.
EXAMPLES = int(os.environ.get("GRIDIFACE_SCHEMATHESIS", "1"))

pytestmark = [pytest.mark.timeout(300 * max(EXAMPLES, 1)), pytest.mark.xdist_group("schemathesis")]

CONFIG = """\
site: small
operator: {listen: "127.0.0.1:0", approval_share: 0.9, limits: {requests_per_s: 1000000, burst: 1000000}}
sep2:
  listen: "127.0.0.1:0"
  pen: 40732
  tls: &tls {certificate: pki/server.pem, key: pki/server.key, roots: [pki/serca.pem]}
upstreams: [{name: east, url: "https://127.0.0.1:1/dcap", tls: *tls, all_devices: true}]
openadr:
  vtn: {vtn_id: VTN-1, listen: "127.0.0.1:0", vens: [{ven_id: VEN-A}]}
  vens:
    - name: program
      url: "http://127.0.0.1:1"
      ven_id: VEN-A
      programs: [{market_context: "http://a.example/dr", group: fleet}]
dnp3:
  outstations:
    - {name: gateway, address: 10, group: fleet, profile: iso-gateway, masters: [{name: m, address: 1}]}
  endpoints: [{listen: "127.0.0.1:0"}]
devices:
  - {id: inv, driver: sunspec, connection: {host: 127.0.0.1, port: 1}, rating: {max_w: 1000}}
groups:
  - {id: fleet, members: [inv]}
"""

#: Endless, or would end what the others need.
LEFT_OUT = {"stream_events"}

#: Only there beside an OpenID provider.
ELSEWHERE = {"begin_provider_sign_in", "end_provider_sign_in"}

#: A body, an address, a header field.
TOO_LARGE = {413, 414, 431}

CHECKS = (
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)


class Running:
    """A server in a thread of its own, so that schemathesis may wait for its answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self._end: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.url = ""
        self.token = ""
        self.document: dict[str, Any] = {}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="server")

    async def _run(self) -> None:
        config = self._folder / "g.yaml"
        config.write_text(CONFIG)
        authority, now = TestPki.create(depth=2, now=time.time()), time.time()
        authority.save(self._folder / "pki")
        server_name = authority.issue("server", "server", now=now, hosts=["127.0.0.1"])
        write_credential(self._folder / "pki", "server", server_name)
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = GridServer(load_config(config))
        try:
            await server.start()
            assert server._operator is not None
            desk = server._operator.desk
            made = await desk.tokens.create("tester", ["admin"], 1.0, server.clock.now(), by="test")
            self.url, self.token = f"http://127.0.0.1:{server.ports()['operator']}", made["token"]
            self._ready.set()
            await self._end.wait()
        finally:
            self._ready.set()
            await server.stop()

    def __enter__(self) -> Running:
        self._thread.start()
        assert self._ready.wait(60)
        assert self.url, "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._end is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("schemathesis")) as made:
        yield made


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nothing_is_found(server: Running) -> None:
    import urllib.request  # noqa: PLC0415 - the description is read once

    with urllib.request.urlopen(f"{server.url}/api/v1/openapi.json") as answer:
        document = json.load(answer)
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.url)
    asked, failed = set(), []
    for found in schema.get_all_operations():
        operation = found.ok()
        name = operation.definition.raw["operationId"]
        if name in LEFT_OUT:
            continue
        asked.add(name)
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        # A quick run says something wrong only where something could be changed by it.
        for mode in modes if EXAMPLES > 1 or operation.method.upper() != "GET" else modes[:1]:
            failure = examine(operation, mode, server)
            if failure:
                failed.append(f"{name}, {mode.value}: {failure}")
    assert not failed, "\n\n".join(failed)
    assert asked == {route.name for route in every_route()} - LEFT_OUT - ELSEWHERE


def examine(operation: Any, mode: Any, server: Running) -> str:
    """What was found at one operation; empty: nothing."""
    headers = {"Authorization": f"Bearer {server.token}"}

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(base_url=server.url, headers=headers, timeout=30)
        # What is too large is refused before it is read; schemathesis would have it judged.
        unread = response.status_code in TOO_LARGE
        checks = [check for check in CHECKS if check is not negative_data_rejection or not unread]
        case.validate_response(response, checks=checks)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        return ""  # nothing that is wrong can be said to an operation without parameters
    except (Exception, BaseExceptionGroup) as problem:  # whatever schemathesis finds is what this test is for
        told = problem.exceptions if isinstance(problem, BaseExceptionGroup) else [problem]
        return "; ".join(f"{type(one).__name__}: {one}"[:600] for one in told)
    return ""
