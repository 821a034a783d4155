"""A VTN core and a VEN core behind the areas, and a conversation between them without a wire."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gridiface.errors import RefusedControl
from gridiface.operator.areas.openadr_events import OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.areas.openadr_reports import OpenAdrReportsArea
from gridiface.operator.areas.openadr_vens import OpenAdrVensArea
from gridiface.protocols.openadr.events import Event
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, SampleMemory, Verdict
from gridiface.protocols.openadr.ven import Ven as OwnCore
from gridiface.protocols.openadr.ven import VenConfig as OwnConfig
from gridiface.protocols.openadr.vtn import Peer, Result, Ven, Vtn, VtnConfig


class Archive:
    """Some reported values."""

    def __init__(self) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {}

    async def rows(self, ven_id: str, *, request: str = "", name: str = "", start: float = 0.0) -> list[dict[str, Any]]:
        return [row for row in self.kept.get(ven_id, []) if name in {"", row["name"]} and row["start"] >= start]

    async def forget(self, ven_id: str) -> None:
        self.kept.pop(ven_id, None)


class VtnPort:
    """A core, with what is committed along."""

    def __init__(self, now: Callable[[], float]) -> None:
        numbers = itertools.count(1)
        self.core = Vtn(VtnConfig(vtn_id="VTN-1", poll_frequency=10), lambda: f"id-{next(numbers)}")
        self.now, self.started = now, now()
        self.archive = Archive()
        self.configured = frozenset({"VEN-A"})
        self.uses_tls = False
        self.troubles: dict[str, str] = {}
        self.along: list[Any] = []
        self.core.put_ven(Ven(venID="VEN-A", groups=["north"]))
        self.core.put_ven(Ven(venID="VEN-B"))

    def trouble_of(self, ven_id: str) -> str:
        return self.troubles.get(ven_id, "")

    async def do(self, verb: Callable[[Vtn, float], Result], *, along: Sequence[Any] = ()) -> Any:
        result = verb(self.core, self.now())
        self.along += along
        return result.value


class OwnPort:
    """A core of our VEN, which opts in to all, and can be connected with a VTN."""

    name, url, up = "utility", "http://vtn.example", True
    answers = refused = ""
    clock_offset_s: float | None = 7200.0

    def __init__(self, now: Callable[[], float]) -> None:
        numbers = itertools.count(1)
        self.now = now
        point = DataPoint(rid="site/W", unit=units.power_real(), resources=("site",))
        offers = (ReportOffer(specifier="telemetry-usage", name="TELEMETRY_USAGE", points=(point,)),)
        config = OwnConfig(
            name="own",
            ven_id="VEN-A",
            query=False,
            offers=offers,
            resources=frozenset({"site"}),
            groups=frozenset({"north"}),
        )
        self.core = OwnCore(config, self.judge, SampleMemory(), lambda: f"own-{next(numbers)}", lambda: 0.0)
        self.along: list[Any] = []

    def judge(self, event: Event, previous: Event | None) -> Verdict:
        return Verdict("optIn")

    def controls_of(self, event_id: str) -> tuple[str, ...]:
        return (f"control-of-{event_id}",)

    async def opt(
        self, event_id: str, opt: str, *, reason: str = "", resources: Sequence[str] = (), along: Sequence[Any] = ()
    ) -> None:
        if reason == "refuse":
            raise RefusedControl("refused on purpose")
        if resources:
            self.core.opt_resources(event_id, resources, opt, self.now(), reason="economic")
        else:
            self.core.change_opt(event_id, Verdict(opt, 200, reason))
        self.along += along

    async def always(self, opt: str, *, along: Sequence[Any] = ()) -> None:
        self.answers = opt
        self.along += along

    async def do(self, verb: Callable[[OwnCore, float], Any], *, along: Sequence[Any] = ()) -> Any:
        value = verb(self.core, self.now())
        self.along += along
        return value

    def talk(self, vtn: Vtn) -> None:
        """Say all that is to be said, and poll until nothing comes."""
        for _ in range(30):
            requests = self.core.next_requests(self.now())
            if not requests:
                return
            reply = vtn.handle(requests[0].payload, Peer(), self.now()).reply
            self.core.receive(requests[0].id, reply, self.now())


class OpenAdrHouse:
    """The surface with the OpenADR areas."""

    def __init__(self, house: Any, vtn: VtnPort, own: OwnPort) -> None:
        self.house, self.vtn, self.own = house, vtn, own

    async def ask(self, method: str, path: str, body: Any = None, *, scope: str = "admin") -> tuple[int, Any]:
        more = {} if body is None else {"json": body}
        status, answer, _ = await self.house.ask(method, f"/api/v1/openadr{path}", scope=scope, **more)
        return status, answer

    def talk(self) -> None:
        self.house.clock.at += 20.0
        self.own.talk(self.vtn.core)


@pytest.fixture
async def openadr(make_house: Any) -> OpenAdrHouse:
    ports: list[Any] = []

    def areas(desk: Any) -> list[Any]:
        ports[:] = [VtnPort(desk.clock.now), OwnPort(desk.clock.now)]
        vtn = ports[0]
        return [OpenAdrVensArea(vtn), OpenAdrEventsArea(vtn), OpenAdrReportsArea(vtn), OpenAdrOwnArea(ports[1:])]

    house = await make_house(areas=areas)
    made = OpenAdrHouse(house, *ports)
    made.talk()
    return made


@pytest.fixture
def green_button() -> str:
    return base64.b64encode(b"<feed/>").decode()
