"""What a fleet costs that an aggregator connects to a utility's server: our client, the engine, the store.

The server is in memory and its processor time is left out; so is TLS, which `sep2-get` measures. The clock is moved
on as fast as the work allows, so what a second costs is not hidden by waiting for it.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fleet.members import Members
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Delivery, DeliveryOutcome, Setpoint, Target, TargetKind
from gridiface.domain.fleet import Capability, Device, Nameplate
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import GridifaceError
from gridiface.northbound.sep2.upstream.session import UpstreamSession
from gridiface.northbound.sep2.upstream.settings import Member, Met, UpstreamSettings
from gridiface.simulation.load.figures import report
from gridiface.simulation.programs_of_many import POLL_S, ManyPrograms
from gridiface.store.repository import Store

_START = 1_700_000_000.0
_WATTS = 3_000
#: The clock goes on by so much at once, s; readings come so often.
_STEP_S, _READ_S = 0.5, 10.0
_PATIENCE_S = 1_800.0
_PLATE = Nameplate(
    max_w=10_000.0,
    max_charge_w=10_000.0,
    energy_wh=20_000.0,
    capabilities=frozenset({Capability.SET_W, Capability.LIMIT_W}),
)


def measure(sizes: tuple[int, ...]) -> dict[str, Any]:
    """See `gridiface bench sep2-aggregator`."""
    figures = {str(size): asyncio.run(_size(size)) for size in sizes}
    work = {"sizes": list(sizes), "poll_rate_s": POLL_S, "programs": "one for each device, with a default control"}
    return report("sep2-aggregator", work, figures)


class _Session(UpstreamSession):
    """One that tells whether it is at work; else it waits for an answer, or for something to be due."""

    busy = False

    async def _round(self) -> float:
        self.busy = True
        try:
            return await super()._round()
        finally:
            self.busy = False


class _Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.at = _START

    def now(self) -> Instant:
        """See domain.clock.Clock.now."""
        return self.at

    def monotonic(self) -> float:
        """See domain.clock.Clock.monotonic."""
        return self.at


class _Fleet:
    """Devices that do at once what they are told; a channel of the dispatch."""

    def __init__(self, names: Sequence[str], clock: _Clock) -> None:
        self._clock = clock
        self.watts = dict.fromkeys(names, 0.0)

    def serves(self, device_id: str) -> bool:
        """See domain.channels.DeviceChannel.serves."""
        return device_id in self.watts

    async def apply(self, setpoints: Sequence[Setpoint], *, deadline: Instant) -> list[Delivery]:
        """See domain.channels.DeviceChannel.apply."""
        for one in setpoints:
            self.watts[one.device_id] = one.active_power_w or 0.0
        now = self._clock.now()
        return [
            Delivery(device_id=one.device_id, outcome=DeliveryOutcome.ACKNOWLEDGED, at=now, setpoint=one)
            for one in setpoints
        ]

    def shots(self) -> list[Snapshot]:
        """What each measures now."""
        now = self._clock.now()
        return [
            Snapshot(device_id=name, source_time=now, received=now, w=watts, var=0.0, soc=0.5, connected=True)
            for name, watts in self.watts.items()
        ]


class _House:
    """One run: a session over a real engine, dispatch and store."""

    def __init__(self, size: int, store: Store) -> None:
        self.clock = _Clock()
        lfdis = [f"{at + 1:040X}" for at in range(size + 1)]
        names = [f"d{at}" for at in range(size)]
        self.size = size
        self.server = ManyPrograms(self.clock, lfdis)
        self.engine = Engine()
        for name in names:
            self.engine.add_device(Device(id=name, nameplate=_PLATE), _START)
        members = Members(Config.model_validate({"site": "bench"}))
        self.dispatch = Dispatch(self.engine, store, self.clock, members)
        self.fleet = _Fleet(names, self.clock)
        self.dispatch.channels.append(self.fleet)
        settings = UpstreamSettings(
            name="utility", authority="utility", context=_no_tls, lfdi=lfdis[0], sfdi=1, pin=None, post_rate=POLL_S,
            members=tuple(
                Member(lfdi=lfdi, target=Target(TargetKind.DEVICE, name))
                for lfdi, name in zip(lfdis[1:], names, strict=True)
            ),
        )  # fmt: skip
        self.session = _Session(
            settings, clock=self.clock, ledger=store, inbox=self.dispatch, fleet=self.engine, history=store,
            link=self.server,
        )  # fmt: skip
        self.dispatch.listeners.append(self.session.on_outcome)
        self._read_at = float("-inf")

    async def until(self, there: Callable[[], bool], what: str) -> dict[str, float]:
        """Move the clock on until something is so; what that cost."""
        began, before, spent = self.clock.at, time.process_time(), self.server.spent_s
        give_up = time.monotonic() + _PATIENCE_S
        while not there():
            if time.monotonic() > give_up:
                raise GridifaceError(f"{what}: not within {_PATIENCE_S:.0f} s")
            await self._step()
        cost = time.process_time() - before - (self.server.spent_s - spent)
        return {
            "cpu_s": cost,
            "cpu_milliseconds_per_device": 1000 * cost / self.size,
            "seconds_of_the_clock": self.clock.at - began,
        }

    async def _step(self) -> None:
        """Half a second of the clock, and all that it brings."""
        self.clock.at += _STEP_S
        if self.clock.at - self._read_at >= _READ_S:
            self._read_at = self.clock.at
            self.dispatch.observe_soon(self.fleet.shots())
        self.dispatch.tick(self.clock.at)
        self.session.wake()
        calm = 0
        while calm < 3:
            # What is handed to the store's thread comes back in its own time.
            await asyncio.sleep(0.001)
            calm = calm + 1 if self.session.client.at_rest and not self.session.busy else 0


async def _size(size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gridiface-bench-") as folder:
        store = await Store.open(f"sqlite:///{Path(folder) / 'bench.sqlite'}")
        try:
            return await _run(_House(size, store))
        finally:
            await store.close()


async def _run(house: _House) -> dict[str, Any]:
    written, responses, size, clock = house.server.written, house.server.responses, house.size, house.clock
    await house.session.start()
    try:
        connect = await house.until(
            lambda: all(written[name] >= size for name in ("dercap", "derg", "ders", "dera", "mup")),
            "every device is known, told of and mirrored",
        )
        quiet_until = clock.at + POLL_S
        quiet = await house.until(lambda: clock.at >= quiet_until, "five minutes pass")
        start = clock.at + POLL_S + 60
        house.server.begin_events(start, 120, _WATTS)
        received = await house.until(lambda: responses[1] >= size, "every event is received")
        started = await house.until(lambda: responses[2] >= size, "every event has begun")
        if set(house.fleet.watts.values()) != {float(_WATTS)}:
            raise GridifaceError("not every device was told its event's power")
        ended = await house.until(lambda: responses[3] >= size, "every event is over")
    finally:
        await house.session.stop()
        await house.dispatch.drain()
    if max(responses.values()) > size:
        raise GridifaceError("responses were doubled")
    return {"connect": connect, "five minutes": quiet, "received": received, "started": started, "ended": ended}


def _no_tls(_seen: Callable[[Met], None]) -> ssl.SSLContext:
    raise GridifaceError("nothing is connected to in this benchmark")
