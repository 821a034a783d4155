"""Our VEN against our VTN's core, no network between: events become controls, nothing is said before it is durable."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.gridiface.northbound.openadr.conftest import Shelf

from gridiface.domain.controls import (
    Acceptance,
    Control,
    ControlMode,
    Outcome,
    OutcomeKind,
    Target,
    TargetKind,
    Verdict,
)
from gridiface.errors import RefusedControl, StoreUnavailable
from gridiface.northbound.openadr.settings import ResourceSettings, VenSettings
from gridiface.northbound.openadr.translate.events import Program
from gridiface.northbound.openadr.ven.upstream import NotAnswered
from gridiface.northbound.openadr.ven.ven import OpenAdrVen
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.vtn import Peer, Vtn, VtnConfig

FLEET = Target(TargetKind.GROUP, "fleet")
PROGRAM = "http://program.example/dr"


class House(Shelf):
    """Clock, store, engine and fleet in one; `verdict`: what the engine says."""

    def __init__(self) -> None:
        super().__init__()
        self.verdict, self.why_barred = Verdict.ACCEPTED, ""
        self.controls: dict[str, Control] = {}
        self.steps: list[tuple[str, str]] = []

    def preview(self, control: Control, now: float, *, noted: bool = False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=self.verdict, reason="as it was told")

    async def submit(self, control: Control, now: float, *, along: Sequence[Any] = ()) -> Acceptance:
        answer = self.preview(control, now)
        if answer.will_run:
            await self.commit(along)
            self.controls[control.id] = control
            self.steps.append(("submit", control.id))
        return answer

    async def cancel(self, control_id: str, now: float, *, reason: str = "", along: Sequence[Any] = ()) -> bool:
        await self.commit(along)
        self.steps.append(("cancel", control_id))
        return self.controls.pop(control_id, None) is not None

    def barred(self, target: Target) -> str:
        return self.why_barred

    def snapshot(self, target: Target) -> None:
        return None

    def watts(self) -> list[float]:
        return [control.values[ControlMode.SET_W].value for control in self.controls.values()]


class Utility:
    """A VTN's core that answers at once; `away`: nobody answers."""

    def __init__(self, clock: House) -> None:
        numbers = itertools.count(1)
        self._clock = clock
        self.core = Vtn(VtnConfig(vtn_id="V", poll_frequency=1, open_registration=True), lambda: f"V{next(numbers)}")
        self.away = False

    async def ask(self, request: Any) -> Any:
        if self.away:
            raise NotAnswered("away on purpose")
        return self.core.handle(request.payload, Peer(), self._clock.now(), service=request.service).reply


class Bench:
    """Both, and a VEN between them."""

    def __init__(self, house: House | None = None, utility: Utility | None = None) -> None:
        self.house = house or House()
        self.utility = utility or Utility(self.house)
        settings = VenSettings(
            name="utility",
            url="http://vtn.example",
            core=VenConfig(name="gridiface"),
            programs={"": Program(target=FLEET, resources={"site": FLEET})},
            resources=(ResourceSettings(resource="site", target=FLEET, status=False),),
        )
        numbers = itertools.count(int(self.house.time))
        self.ven = OpenAdrVen(
            settings,
            clock=self.house,
            ledger=self.house,  # type: ignore[arg-type]  # as far as the VEN asks
            inbox=self.house,  # type: ignore[arg-type]
            fleet=self.house,  # type: ignore[arg-type]
            new_id=lambda: f"C{next(numbers)}",
            draw=lambda: 0.0,
        )
        self.ven.upstream = SimpleNamespace(ask=self.utility.ask)  # type: ignore[assignment]

    async def go(self, seconds: float = 12.0) -> None:
        """Time goes on, a second a round."""
        for _ in range(int(seconds)):
            self.house.time += 1.0
            await self.ven._round()

    @property
    def ven_id(self) -> str:
        return self.ven.core.ven_id or ""

    @property
    def delivery(self) -> Any:
        return self.utility.core.delivery(self.ven_id, "E")

    async def event(self, kilowatts: float, *, event_id: str = "E") -> None:
        """The VTN sends one that takes so much off, from now on."""
        signal = Signal(
            name="LOAD_DISPATCH", type="setpoint", id="s", durations=(600,), values=(kilowatts,), unit=power_real("k")
        )
        start = float(int(self.house.time))
        event = Event(id=event_id, market_context=PROGRAM, dtstart=start, duration=600, signals=(signal,))
        self.utility.core.create_event(event, [self.ven_id], self.house.time)
        await self.go()


async def registered() -> Bench:
    bench = Bench()
    await bench.go(30)
    assert bench.ven_id
    assert bench.ven.up
    return bench


async def test_an_event_becomes_a_control_and_is_opted_into() -> None:
    bench = await registered()
    await bench.event(-6.0)
    assert bench.house.watts() == [6_000.0]
    assert bench.delivery.opt == "optIn"
    (name,) = bench.ven.controls_of("E")
    assert name in bench.house.controls


async def test_what_the_engine_refuses_is_opted_out_and_makes_no_control() -> None:
    bench = await registered()
    bench.house.verdict = Verdict.UNSUPPORTED
    await bench.event(-6.0)
    assert bench.house.controls == {}
    assert bench.delivery.opt == "optOut"


async def test_nothing_is_answered_while_the_store_cannot_write_and_all_is_when_it_can() -> None:
    bench = await registered()
    bench.house.down = True
    with pytest.raises(StoreUnavailable):
        await bench.event(-6.0)
    assert bench.house.controls == {}
    assert bench.delivery.opt is None
    bench.house.down = False
    await bench.go()
    assert bench.house.watts() == [6_000.0]
    assert bench.delivery.opt == "optIn"


async def test_of_a_changed_event_the_new_control_comes_before_the_old_one_goes() -> None:
    bench = await registered()
    await bench.event(-6.0)
    record = bench.utility.core.events["E"]
    (signal,) = record.event.signals
    bench.house.steps.clear()
    other = Signal(name=signal.name, type=signal.type, id=signal.id, durations=(600,), values=(-2.0,), unit=signal.unit)
    bench.utility.core.modify_event("E", bench.house.time, signals=(other,))
    await bench.go()
    assert [step for step, _ in bench.house.steps] == ["submit", "cancel"]
    assert bench.house.watts() == [2_000.0]


async def test_a_cancelled_event_takes_its_control_with_it() -> None:
    bench = await registered()
    await bench.event(-6.0)
    bench.utility.core.cancel_event("E", bench.house.time)
    await bench.go()
    assert bench.house.controls == {}
    assert bench.delivery.cancel_done


async def test_the_operators_word_reaches_the_vtn_and_the_controls() -> None:
    bench = await registered()
    await bench.event(-6.0)
    await bench.ven.opt("E", "optOut", reason="a party")
    await bench.go()
    assert bench.delivery.opt == "optOut"
    assert bench.house.controls == {}
    await bench.ven.opt("E", "optIn")
    await bench.go()
    assert bench.delivery.opt == "optIn"
    assert bench.house.watts() == [6_000.0]
    with pytest.raises(RefusedControl, match="no event X"):
        await bench.ven.opt("X", "optOut")


async def test_a_standing_word_holds_for_what_comes_and_over_a_restart() -> None:
    bench = await registered()
    await bench.ven.always("optOut")
    await bench.event(-6.0)
    assert bench.delivery.opt == "optOut"
    assert bench.house.controls == {}
    again = Bench(bench.house, bench.utility)
    again.ven.book.load(bench.house.bodies)
    assert again.ven.answers == "optOut"


async def test_a_control_that_is_lost_changes_the_word_once() -> None:
    bench = await registered()
    await bench.event(-6.0)
    (name,) = bench.ven.controls_of("E")
    superseded = Outcome(
        control_id=name, kind=OutcomeKind.SUPERSEDED, at=bench.house.time, device_id=None, reason="by the grid operator"
    )
    bench.ven.on_outcome(superseded)
    await bench.go()
    assert bench.delivery.opt == "optOut"
    bench.ven.on_outcome(superseded)
    assert bench.ven.core.next_requests(bench.house.time) == ()


async def test_an_event_is_opted_out_while_nobody_may_be_controlled_and_in_again_after_that() -> None:
    bench = await registered()
    await bench.event(-6.0)
    bench.house.why_barred = "blocked by the operator"
    await bench.go()
    assert bench.delivery.opt == "optOut"
    assert bench.house.watts() == [6_000.0]  # who is unblocked follows at once
    bench.house.why_barred = ""
    await bench.go()
    assert bench.delivery.opt == "optIn"


async def test_a_vtn_that_is_away_is_asked_again_and_its_events_go_on() -> None:
    bench = await registered()
    await bench.event(-6.0)
    bench.utility.away = True
    await bench.go(5)
    assert not bench.ven.up
    assert bench.house.watts() == [6_000.0]
    bench.utility.away = False
    await bench.go(60)
    assert bench.ven.up


async def test_after_a_restart_the_same_event_makes_no_second_control() -> None:
    bench = await registered()
    await bench.event(-6.0)
    again = Bench(bench.house, bench.utility)
    again.ven.book.load(bench.house.bodies)
    again.ven._samples.load(bench.house.bodies)
    again.ven.core.load(bench.house.bodies)
    await again.go(30)
    assert again.ven_id == bench.ven_id
    assert [step for step, _ in bench.house.steps] == ["submit"]
    assert again.ven.controls_of("E") == bench.ven.controls_of("E")
