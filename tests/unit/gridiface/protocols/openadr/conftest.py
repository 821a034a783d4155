"""Shared by the OpenADR tests: the official schema, and random valid objects made from the declarations."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads import event, registration, report
from gridiface.protocols.openadr.payloads.common import EiResponse, QualifiedEventID
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.ven import SampleMemory, Ven, VenConfig, Verdict
from gridiface.protocols.openadr.vtn import Peer, Vtn, VtnConfig
from gridiface.protocols.xmlwire import FieldSpec, WireObject, spec_of
from gridiface.protocols.xmlwire.primitives import RAW_XML, Primitive

SCHEMA = Path(__file__).resolve().parents[5] / ".cache" / "schemas" / "openadr" / "oadr_20b.xsd"
WORDS = ["a", "VEN 1", "a&b<c>", "ü", " spaced ", "x" * 40]


class Maker:
    """Makes random valid objects of wire types; the same seed makes the same objects."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def primitive(self, kind: Primitive) -> Any:
        """A value that a simple type can carry."""
        chance = self._chance
        listed = [value for facet, value in kind.facets if facet == "enumeration"]
        if listed:
            return chance.choice(listed)
        makers: dict[str, Callable[[], Any]] = {
            "DateTimeType": lambda: chance.randrange(4_000_000_000_000) / chance.choice([1, 1000]) // 1000,
            "DurationValueType": lambda: chance.choice([0, 60, -300, 86_461, chance.randrange(10**9)]),
            "ResponseCodeType": lambda: str(chance.randrange(100, 1000)),
            "ISO3AlphaCurrencyCodeContentType": lambda: chance.choice(["USD", "EUR", "INR"]),
            "ConfidenceType": lambda: chance.randrange(101),
            "unsignedInt": lambda: chance.choice([0, 1, 2**32 - 1]),
            "boolean": lambda: chance.random() < 0.5,
            "float": lambda: chance.choice([0.0, -1.5, 1e30, 3, float("inf")]),
            "double": lambda: chance.choice([0.0, -1.5, 1e300]),
            "decimal": lambda: chance.choice([0.0, 50.0, 230.25]),
            "list of double": lambda: (1.5, -2.0),
            "anyURI": lambda: chance.choice(["http://example.org/program", "urn:x:y"]),
            "token": lambda: "a",
        }
        return makers.get(kind.name, lambda: chance.choice(WORDS))()

    def value(self, f: FieldSpec) -> Any:
        """A value of one declared field, None where it may be absent."""
        if f.many:
            return [self.one(f) for _ in range(self._chance.randint(f.at_least, max(f.at_least, 2)))]
        return self.one(f) if f.required or self._chance.random() < 0.6 else None

    def one(self, f: FieldSpec) -> Any:
        """A single value of a field."""
        # An Id may be given once per document; a Green Button feed has a schema of its own and is tested by example.
        if f.wire in {"id", "Id"} or f.kind is RAW_XML:
            return None
        if isinstance(f.kind, Primitive):
            return self.primitive(f.kind)
        if isinstance(f.kind, tuple):
            return self.make(self._chance.choice([cls for cls in f.kind if "GB" not in cls.__name__]))
        return self.make(f.kind)

    def make(self, cls: type[WireObject]) -> Any:
        """An object of a wire type."""
        spec = spec_of(cls)
        made = cls(**{f.attr: self.value(f) for f in (*spec.attributes, *spec.elements)})
        if hasattr(made, "schemaVersion"):
            made.schemaVersion = "2.0b"
        return made


@pytest.fixture(scope="session")
def maker() -> type[Maker]:
    """The maker of random valid objects."""
    return Maker


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema:
    """The official 2.0b schema set, compiled."""
    if not SCHEMA.exists():
        pytest.skip("the official OpenADR 2.0b schemas are not in .cache/schemas/openadr")
    return etree.XMLSchema(etree.parse(str(SCHEMA)))


class Ids:
    """IDs never used before."""

    def __init__(self, prefix: str = "id") -> None:
        self._prefix, self._count = prefix, 0

    def __call__(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"


def official_schema() -> etree.XMLSchema | None:
    """The official schema where it is there."""
    return etree.XMLSchema(etree.parse(str(SCHEMA))) if SCHEMA.exists() else None


OFFICIAL = official_schema()


def on_the_wire(payload: Any) -> Any:
    """What the other side reads; valid by the official schema where that is there."""
    data = encode_payload(payload)
    if OFFICIAL is not None:
        OFFICIAL.assertValid(etree.fromstring(data))
    return decode_payload(data)[0]


class VtnKit:
    """A VTN core with a store that is a dict. Everything that goes in or out passes the wire."""

    def __init__(self, **config: Any) -> None:
        self.config = VtnConfig(**{"vtn_id": "VTN", "open_registration": True, **config})
        self.vtn = Vtn(self.config, Ids("v"))
        self.now = 1_800_000_000.0
        self.store: dict[str, bytes] = {}
        self.notices: list[Any] = []
        self.peers: dict[str, Peer] = {}

    def commit(self, result: Any) -> Any:
        for change in result.changes:
            assert change.before == self.store.get(change.key)
            if change.body is None:
                del self.store[change.key]
            else:
                self.store[change.key] = change.body
        self.notices += result.notices
        return result

    def handle(self, payload: Any, *, peer: Peer | None = None, service: str = "") -> Any:
        """The reply to one payload."""
        result = self.commit(self.vtn.handle(on_the_wire(payload), peer or Peer(), self.now, service=service))
        return None if result.reply is None else on_the_wire(result.reply)

    def do(self, result: Any) -> Any:
        """Commit what an operator's verb gave, and return its value."""
        return self.commit(result).value

    def restart(self) -> None:
        """A new core with what the store holds."""
        ids = self.vtn._state.new_id
        self.vtn = Vtn(self.config, ids)
        self.vtn.load(self.store)

    def told(self, name: str) -> list[Any]:
        return [notice for notice in self.notices if type(notice).__name__ == name]

    def register(self, name: str = "ven", *, peer: Peer | None = None, **fields: Any) -> str:
        """Register a VEN; returns its venID."""
        fields = {"oadrHttpPullModel": True, **fields}
        payload = registration.OadrCreatePartyRegistration(
            requestID="reg",
            oadrProfileName="2.0b",
            oadrTransportName="simpleHttp",
            oadrReportOnly=False,
            oadrXmlSignature=False,
            oadrVenName=name,
            **fields,
        )
        answer = self.handle(payload, peer=peer)
        assert answer.eiResponse.responseCode == "200", answer
        return answer.venID

    def quiet(self, ven_id: str) -> None:
        """Poll until nothing waits, with the logical answers that registration needs."""
        while not isinstance(answer := self.poll(ven_id), event.OadrResponse):
            if isinstance(answer, report.OadrRegisterReport):
                self.handle(report.OadrRegisteredReport(eiResponse=ok(answer.requestID), venID=ven_id))

    def poll(self, ven_id: str) -> Any:
        return self.handle(event.OadrPoll(venID=ven_id))

    def request(self, ven_id: str, limit: int | None = None) -> Any:
        body = event.EiRequestEvent(requestID="q", venID=ven_id, replyLimit=limit)
        return self.handle(event.OadrRequestEvent(eiRequestEvent=body))

    def answer(self, ven_id: str, event_id: str, modification: int, opt: str = "optIn", code: str = "200") -> Any:
        """An oadrCreatedEvent for one event."""
        one = event.EventResponse(
            responseCode=code,
            requestID="d",
            qualifiedEventID=QualifiedEventID(eventID=event_id, modificationNumber=modification),
            optType=opt,
        )
        body = event.EiCreatedEvent(
            eiResponse=EiResponse(responseCode="200", requestID=""),
            eventResponses=event.EventResponses(eventResponse=[one]),
            venID=ven_id,
        )
        return self.handle(event.OadrCreatedEvent(eiCreatedEvent=body))

    def event(
        self, event_id: str = "E", *, start: float = 3600, values: tuple[float, ...] = (1.0,), **fields: Any
    ) -> Event:
        """An event with SIMPLE values of ten minutes each, starting so many seconds from now."""
        length = fields.pop("length", 600)
        signal = Signal(name="SIMPLE", type="level", id="s", durations=(length,) * len(values), values=values)
        made = {
            "id": event_id,
            "market_context": "http://program.example/a",
            "dtstart": self.now + start,
            "duration": length * len(values),
            "signals": (signal,),
            "notification": 60,
        }
        return Event(**{**made, **fields})

    def send(self, ven_ids: list[str], *args: Any, **fields: Any) -> Event:
        """Create such an event for VENs."""
        made = self.event(*args, **fields)
        self.do(self.vtn.create_event(made, ven_ids, self.now))
        return made

    def check(self) -> None:
        """A core made from the store is the same as the one that ran."""
        again = Vtn(self.config, Ids())
        again.load(self.store)
        assert again.export() == self.store
        assert self.vtn.export() == self.store


@pytest.fixture
def kit() -> Any:
    """A VTN core; when the test is over, its store must hold all that it knew."""
    made = VtnKit()
    yield made
    made.check()


@pytest.fixture(scope="session")
def vtn_kit() -> type[VtnKit]:
    """For VTN cores with another configuration."""
    return VtnKit


class Conversation:
    """A VEN core and a VTN core, joined without a network; time stands still unless a test moves it."""

    def __init__(self, kit: VtnKit, config: VenConfig, judge: Any = None) -> None:
        self.kit = kit
        self.config = config
        self.judge = judge or (lambda new, previous: Verdict("optIn"))
        self.samples = SampleMemory()
        self.chance = 0.5
        self.store: dict[str, bytes] = {}
        self.notices: list[Any] = []
        self.sent: list[Any] = []
        self.down = False
        self.ven = self._make()

    def _make(self) -> Ven:
        return Ven(self.config, self.judge, self.samples, self.ids, lambda: self.chance)

    ids = Ids("c")

    @property
    def now(self) -> float:
        return self.kit.now

    def commit(self) -> None:
        for change in self.ven.take_changes():
            if change.body is None:
                self.store.pop(change.key, None)
            else:
                self.store[change.key] = change.body

    def told(self, name: str) -> list[Any]:
        self.drain()
        return [notice for notice in self.notices if type(notice).__name__ == name]

    def drain(self) -> None:
        while (notice := self.ven.next_event()) is not None:
            self.notices.append(notice)

    def restart(self) -> None:
        """The VEN starts again with what its store holds."""
        self.drain()
        self.ven = self._make()
        self.ven.load(self.store)

    def step(self) -> bool:
        """Send one request, if there is one."""
        self.ven.handle_timer(self.now)
        self.commit()
        requests = self.ven.next_requests(self.now)
        for request in requests:
            self.sent.append(request.payload)
            if self.down:
                self.ven.failed(request.id, self.now)
            else:
                self.ven.receive(request.id, self.kit.handle(request.payload, service=request.service), self.now)
        self.commit()
        return bool(requests)

    def run(self, seconds: float = 0.0, pace: float = 1.0) -> None:
        """Exchange until nothing is to be sent; then move time on in steps of `pace` seconds, and again."""
        end = self.now + seconds
        while True:
            for _ in range(1000):
                if not self.step():
                    break
            else:
                raise AssertionError("the conversation never ends")
            if self.now >= end:
                break
            self.kit.now = min(end, self.now + pace)
        self.drain()
        self.commit()
        assert self.ven.export() == self.store

    def payloads(self, *kinds: type) -> list[Any]:
        """What the VEN sent of these kinds."""
        return [payload for payload in self.sent if isinstance(payload, kinds)]


@pytest.fixture
def talk(kit: VtnKit) -> Callable[..., Conversation]:
    """Joins a VEN with the VTN of `kit`."""

    def start(judge: Any = None, **config: Any) -> Conversation:
        return Conversation(kit, VenConfig(**{"name": "ven", **config}), judge)

    return start


@pytest.fixture(scope="session")
def conversation() -> type[Conversation]:
    """For conversations with a VTN of one's own."""
    return Conversation
