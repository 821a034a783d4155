"""Which protocols a server has, what each brings, and that none is imported that is not configured."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from gridiface.app.config.model import Config
from gridiface.app.fronts.front import fronts_of
from gridiface.app.fronts.openadr import OpenAdrFront
from gridiface.app.fronts.sep2 import Sep2Front
from gridiface.app.fronts.upstream import UpstreamFront
from gridiface.northbound.sep2.upstream.condition import Condition

LOADED = """
import sys
import gridiface.cli.serving.serve
from gridiface.app.config.model import Config
from gridiface.app.wiring import GridServer
GridServer(Config())
heavy = ("gridiface.northbound.sep2", "gridiface.northbound.openadr", "gridiface.northbound.dnp3.server",
         "gridiface.protocols.sep2", "gridiface.protocols.openadr", "gridiface.protocols.dnp3.outstation.outstation")
print([name for name in sys.modules if name.startswith(heavy)])
"""


def front(kind: Any, **parts: Any) -> Any:
    given: dict[str, Any] = {"sep2": None, "vtn": None, "vens": [], "dnp3": None, "upstreams": None}
    return kind(SimpleNamespace(**(given | parts)))


def test_a_server_has_the_fronts_of_its_configuration_in_the_order_of_their_start() -> None:
    none: Any = SimpleNamespace(sep2=None, dnp3=None, openadr=None, upstreams=())
    every: Any = SimpleNamespace(sep2=1, dnp3=1, openadr=1, upstreams=(1,))
    server: Any = SimpleNamespace()
    assert fronts_of(none, server) == []
    names = [type(one).__name__ for one in fronts_of(every, server)]
    assert names == ["Sep2Front", "Dnp3Front", "OpenAdrFront", "UpstreamFront"]
    assert fronts_of(Config(), server) == []


def test_a_protocol_that_is_not_configured_is_not_imported() -> None:
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_health_of_2030_5() -> None:
    counts = SimpleNamespace(requests=7, refused=1, failed=0)
    core = SimpleNamespace(state=SimpleNamespace(end_devices={"x": 1}))
    made = front(Sep2Front, sep2=SimpleNamespace(counts=counts, core=core, port=8443))
    (said,) = made.health()
    assert (said.state, said.text) == ("ok", "port 8443, 1 end devices, 7 requests, 1 refused")
    counts.failed = 2
    (said,) = made.health()
    assert said.state == "degraded"
    assert made.ports() == {"sep2": 8443}
    assert not front(Sep2Front).ports()


def test_health_and_links_of_openadr() -> None:
    away = SimpleNamespace(settings=SimpleNamespace(name="utility"), up=False)
    here = SimpleNamespace(settings=SimpleNamespace(name="market"), up=True)
    known = {"v1": SimpleNamespace(registered=True), "v2": SimpleNamespace(registered=False)}
    vtn = SimpleNamespace(port=8081, core=SimpleNamespace(vens=known))
    made = front(OpenAdrFront, vtn=vtn, vens=[away, here])
    said = {one.name: one for one in made.health()}
    assert (said["vtn"].state, said["vtn"].text) == ("degraded", "port 8081, 1 of 2 VENs registered")
    assert (said["ven utility"].state, said["ven market"].state) == ("down", "ok")
    assert list(made.lost_links()) == ["VTN of utility"]


def test_a_session_upward_that_was_not_tried_yet_is_not_lost() -> None:
    sick = Condition(up=True)
    for place in ("/dcap", "/tm"):
        sick.useless(place, "answered with 503", 0, 80.0)
    conditions = {
        "new": Condition(),
        "good": Condition(up=True),
        "gone": Condition(up=False, trouble="it refuses us"),
        "silent": Condition(up=False),
        "sick": sick,
    }
    sessions = {name: SimpleNamespace(condition=one) for name, one in conditions.items()}
    clock = SimpleNamespace(now=lambda: 100.0)
    made = front(UpstreamFront, upstreams=SimpleNamespace(sessions=sessions), clock=clock)
    assert made.lost_links() == {
        "2030.5 server gone": "it refuses us",
        "2030.5 server silent": "it does not answer",
        "2030.5 server sick": "it answers, but nothing can be read: answered with 503",
    }


async def test_sessions_upward_end_with_the_server() -> None:
    ended = []

    async def stop() -> None:
        ended.append(1)

    await front(UpstreamFront, upstreams=SimpleNamespace(stop=stop)).stop()
    await front(UpstreamFront).stop()
    assert ended == [1]
