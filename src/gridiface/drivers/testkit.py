"""The examination that every driver passes: checks of `gridiface.drivers.api.Driver` against a simulated peer.

A driver's own tests give a factory of benches (a driver not yet open, and its peer) and call `examine`, or run each of
`CHECKS` as a test of its own. A check raises AssertionError with one sentence. Needs no test framework. A check that
needs a fault which the peer cannot show is left out, and named in the report.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import Capability, Nameplate
from gridiface.drivers.api import Ack, Driver, ListeningDriver
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout

#: Faults that checks ask a peer for.
FAULTS = ("none", "off", "hang", "reject", "ignore", "wrong_values")

#: No check takes longer; a driver that hangs fails by this.
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the simulated device was really told, in the domain's units and signs; None: not in force."""

    active_power_w: float | None = None
    ceiling_w: float | None = None
    connected: bool = True


class Peer(Protocol):
    """The simulated device behind a driver."""

    @property
    def faults(self) -> frozenset[str]:
        """Which of `FAULTS` it can show."""
        ...

    async def fault(self, name: str) -> None:
        """Show a fault from now on; "none" ends it."""
        ...

    async def held(self) -> Held:
        """What it was told."""
        ...

    async def power_w(self) -> float:
        """What it really delivers, W, + delivered."""
        ...

    async def writes(self) -> int:
        """How many write requests have reached it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A driver and its peer. `step_w`: the coarsest step of the device's set-point and ceiling."""

    driver: Driver
    peer: Peer
    now: Callable[[], Instant]
    max_w: float
    max_charge_w: float
    step_w: float = 10.0

    def setpoint(
        self,
        watts: float | None = None,
        *,
        ceiling: float | None = None,
        release: bool = False,
        connect: bool | None = None,
    ) -> Setpoint:
        """A command for this device."""
        return Setpoint(
            device_id=self.driver.device_id,
            issued=self.now(),
            active_power_w=watts,
            ceiling_w=ceiling,
            release=release,
            connect=connect,
        )


#: Makes a bench with a fresh peer and a driver that is not open.
BenchFactory = Callable[[], AbstractAsyncContextManager[Bench]]
Check = Callable[[Bench], Awaitable[None]]


def _require(condition: object, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)


@contextlib.asynccontextmanager
async def _raises(kind: type[DeviceError], what: str) -> AsyncIterator[None]:
    try:
        yield
    except kind:
        return
    except DeviceError as error:
        raise AssertionError(f"{what} raised {type(error).__name__} ({error.reason}), not {kind.__name__}") from error
    raise AssertionError(f"{what} did not raise {kind.__name__}")


async def _opened(bench: Bench) -> Nameplate:
    return await bench.driver.open()


def _sets_watts(plate: Nameplate) -> bool:
    return Capability.SET_W in plate.capabilities


def _command(bench: Bench, plate: Nameplate, share: float) -> Setpoint:
    """A command that the device can carry out: a set-point where it has one, else a ceiling.

    A device that delivers nothing, a charging point, is told to take that share.
    """
    if not _sets_watts(plate):
        return bench.setpoint(ceiling=share * bench.max_w)
    return bench.setpoint(share * bench.max_w if bench.max_w else -share * bench.max_charge_w)


def _asked(command: Setpoint) -> float:
    """The power, or the ceiling, that a command of `_command` asks for."""
    watts = command.active_power_w if command.active_power_w is not None else command.ceiling_w
    return watts or 0.0


async def opens_and_tells_its_nameplate(bench: Bench) -> None:
    """Open gives ratings in W and what the device can do."""
    plate = await _opened(bench)
    _require(
        abs(plate.max_w - bench.max_w) <= bench.step_w, f"max_w is {plate.max_w} W, the device has {bench.max_w} W"
    )
    charge = plate.max_charge_w
    _require(
        abs(charge - bench.max_charge_w) <= bench.step_w, f"max_charge_w is {charge} W, not {bench.max_charge_w} W"
    )
    _require(plate.capabilities, "the nameplate names no capability")


async def writes_what_it_acknowledges(bench: Bench) -> None:
    """An Ack names points, their read-back, and what the device now really holds."""
    plate = await _opened(bench)
    command = _command(bench, plate, 0.5)
    ack = await bench.driver.write(command)
    held = await bench.peer.held()
    _require(ack.device_id == bench.driver.device_id, "the Ack names another device")
    _require(ack.written, "the Ack says that nothing was written")
    _require(not ack.verified or ack.read_back, "the Ack claims a verification and has no read-back")
    told = held.active_power_w if _sets_watts(plate) else held.ceiling_w
    claimed = ack.active_power_w if _sets_watts(plate) else ack.ceiling_w
    if told is None or claimed is None:
        raise AssertionError(f"the device was told {told} W, the Ack says {claimed} W: one of them says nothing")
    asked = _asked(command)
    _require(abs(told - asked) <= bench.step_w, f"the device was told {told} W instead of {asked} W")
    _require(abs(told - claimed) <= bench.step_w, f"the device holds {told} W, the Ack says {claimed} W")


async def positive_is_discharge(bench: Bench) -> None:
    """+ delivers, - takes, in commands and in telemetry."""
    if not _sets_watts(await _opened(bench)) or not bench.max_charge_w:
        return
    for watts in (0.4 * bench.max_w, -0.4 * bench.max_charge_w):
        if not watts:
            continue
        await bench.driver.write(bench.setpoint(watts))
        held = (await bench.peer.held()).active_power_w
        _require(held is not None and held * watts > 0, f"told {watts} W, the device understood {held} W")
        await _settle(bench, watts)
        seen = (await bench.driver.read()).w
        _require(
            seen is not None and seen * watts > 0, f"the device delivers about {watts} W, the snapshot says {seen}"
        )


async def reads_in_watts(bench: Bench) -> None:
    """A snapshot has W, not kW or raw registers, and times."""
    plate = await _opened(bench)
    command = _command(bench, plate, 0.3)
    await bench.driver.write(command)
    await _settle(bench, _asked(command))
    before = await bench.peer.power_w()
    snapshot = await bench.driver.read()
    _require(snapshot.device_id == bench.driver.device_id, "the snapshot names another device")
    if snapshot.w is None:
        raise AssertionError("the snapshot has no power")
    room = 0.05 * (bench.max_w or bench.max_charge_w) + bench.step_w
    _require(
        abs(snapshot.w - before) <= room, f"the device delivers {before:.0f} W, the snapshot says {snapshot.w:.0f}"
    )
    _require(snapshot.source_time <= snapshot.received, "the snapshot was measured after it was received")
    _require(snapshot.soc is None or 0.0 <= snapshot.soc <= 1.0, f"soc {snapshot.soc} is not within 0..1")


async def stays_inside_the_rating(bench: Bench) -> None:
    """What is asked beyond the rating is held to it, or refused; never written."""
    if not _sets_watts(await _opened(bench)):
        return
    for watts in (3.0 * bench.max_w or 1000.0, -3.0 * max(bench.max_w, bench.max_charge_w)):
        ack: Ack | None = None
        with contextlib.suppress(DeviceRejected):
            ack = await bench.driver.write(bench.setpoint(watts))
        told = (await bench.peer.held()).active_power_w or 0.0
        inside = -bench.max_charge_w - bench.step_w <= told <= bench.max_w + bench.step_w
        _require(inside, f"asked for {watts} W, {told} W was written to a device of {bench.max_w} W")
        _require(ack is None or ack.notes, "the command was changed and the Ack has no note of it")


async def rounds_a_ceiling_down(bench: Bench) -> None:
    """A ceiling on the device is never above the one that was asked for."""
    plate = await _opened(bench)
    if Capability.LIMIT_W not in plate.capabilities:
        return
    asked = bench.max_w / 3.0
    await bench.driver.write(bench.setpoint(ceiling=asked))
    ceiling = (await bench.peer.held()).ceiling_w
    _require(
        ceiling is not None and ceiling <= asked + 1e-6, f"asked for at most {asked} W, the device has {ceiling} W"
    )


async def leaves_alone_what_is_not_named(bench: Bench) -> None:
    """A command that names one quantity does not touch another."""
    plate = await _opened(bench)
    if not {Capability.SET_W, Capability.LIMIT_W} <= plate.capabilities:
        return
    await bench.driver.write(bench.setpoint(ceiling=0.6 * bench.max_w))
    await bench.driver.write(bench.setpoint(0.2 * bench.max_w))
    held = await bench.peer.held()
    _require(held.ceiling_w is not None, "a set-point took the ceiling away")
    _require(held.active_power_w is not None, "the set-point did not arrive")


async def lets_go_of_one_quantity(bench: Bench) -> None:
    """A command that ends the set-point and keeps the ceiling does both."""
    plate = await _opened(bench)
    if not {Capability.SET_W, Capability.LIMIT_W} <= plate.capabilities:
        return
    await bench.driver.write(bench.setpoint(0.4 * bench.max_w, ceiling=0.6 * bench.max_w))
    over = replace(bench.setpoint(ceiling=0.5 * bench.max_w), let_go=frozenset({ControlMode.SET_W}))
    ack = await bench.driver.write(over)
    held = await bench.peer.held()
    _require(held.active_power_w is None, f"the set-point was let go of and the device holds {held.active_power_w} W")
    _require(held.ceiling_w is not None, "letting go of the set-point took the ceiling away")
    _require(ack.active_power_w is None and ack.written, f"the Ack says that the device holds {ack.active_power_w} W")


async def lets_go(bench: Bench) -> None:
    """Revert, and a command with `release`, end what was in force."""
    plate = await _opened(bench)
    for release in (bench.driver.revert, lambda: bench.driver.write(bench.setpoint(release=True))):
        await bench.driver.write(_command(bench, plate, 0.5))
        ack = await release()
        held = await bench.peer.held()
        _require(ack.written, "letting go wrote nothing")
        _require(held.active_power_w is None and held.ceiling_w is None, f"after letting go the device holds {held}")


async def refuses_an_empty_command(bench: Bench) -> None:
    """A command that asks for nothing is no success."""
    await _opened(bench)
    before = await bench.peer.writes()
    async with _raises(DeviceRejected, "a command that asks for nothing"):
        await bench.driver.write(bench.setpoint())
    _require(await bench.peer.writes() == before, "a command that asks for nothing was written")


async def tells_silence(bench: Bench) -> None:
    """A silent device is a DeviceTimeout, in write and in read."""
    plate = await _opened(bench)
    await bench.peer.fault("hang")
    async with _raises(DeviceTimeout, "writing to a silent device"):
        await bench.driver.write(_command(bench, plate, 0.5))
    async with _raises(DeviceTimeout, "reading a silent device"):
        await bench.driver.read()


async def tells_a_missing_device(bench: Bench) -> None:
    """No connection is a DeviceTimeout, also when opening."""
    await bench.peer.fault("off")
    async with _raises(DeviceTimeout, "opening a device that is off"):
        await bench.driver.open()
    async with _raises(DeviceTimeout, "writing to a device that is not open"):
        await bench.driver.write(bench.setpoint(0.0))


async def tells_a_refusal_once(bench: Bench) -> None:
    """A refused write is a DeviceRejected, after one attempt."""
    plate = await _opened(bench)
    start = await bench.peer.writes()
    await bench.driver.write(_command(bench, plate, 0.5))
    good = await bench.peer.writes() - start
    await bench.peer.fault("reject")
    start = await bench.peer.writes()
    async with _raises(DeviceRejected, "a write that the device refuses"):
        await bench.driver.write(_command(bench, plate, 0.4))
    tried = await bench.peer.writes() - start
    _require(
        1 <= tried <= good, f"a refused command was sent with {tried} requests, a good one with {good}: it retries"
    )


async def believes_the_read_back_only(bench: Bench) -> None:
    """A device that confirms a write and does nothing has not acknowledged it."""
    plate = await _opened(bench)
    await bench.driver.write(_command(bench, plate, 0.5))
    await bench.peer.fault("ignore")
    async with _raises(DeviceRejected, "a write that the device confirms and ignores"):
        await bench.driver.write(_command(bench, plate, 0.25))


async def notices_wrong_values(bench: Bench) -> None:
    """A device that stores another value than it was told has not acknowledged it."""
    plate = await _opened(bench)
    await bench.peer.fault("wrong_values")
    async with _raises(DeviceRejected, "a write that the device stores wrongly"):
        await bench.driver.write(_command(bench, plate, 0.5))


async def comes_back(bench: Bench) -> None:
    """After the device was away the same driver works again, by itself or after close and open."""
    plate = await _opened(bench)
    await bench.peer.fault("off")
    with contextlib.suppress(DeviceError):
        await bench.driver.read()
    await bench.peer.fault("none")
    await bench.driver.close()
    await bench.driver.open()
    await bench.driver.write(_command(bench, plate, 0.5))
    await bench.driver.read()


async def closes_twice(bench: Bench) -> None:
    """Close is idempotent, works before open, and leaves the device as it is."""
    await bench.driver.close()
    plate = await _opened(bench)
    await bench.driver.write(_command(bench, plate, 0.5))
    await bench.driver.close()
    await bench.driver.close()
    held = await bench.peer.held()
    _require(held.active_power_w is not None or held.ceiling_w is not None, "closing the driver changed the device")
    async with _raises(DeviceTimeout, "reading through a closed driver"):
        await bench.driver.read()


async def survives_cancellation(bench: Bench) -> None:
    """A call that is cancelled half-way leaves the driver usable."""
    plate = await _opened(bench)
    await bench.peer.fault("hang")
    for call in (lambda: bench.driver.write(_command(bench, plate, 0.5)), bench.driver.read):
        task = asyncio.ensure_future(call())
        # Far enough that the request is on its way, not so far that it has timed out.
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DeviceError):
            await task
    await bench.peer.fault("none")
    with contextlib.suppress(DeviceTimeout):
        await bench.driver.read()
    ack = await bench.driver.write(_command(bench, plate, 0.7))
    _require(ack.written, "after a cancelled call nothing can be written")
    await bench.driver.read()


async def _settle(bench: Bench, watts: float) -> None:
    """Wait until the device delivers about what it was told; gives up silently, the check then says what it sees."""
    for _ in range(200):
        if abs(await bench.peer.power_w() - watts) <= 0.05 * (bench.max_w or bench.max_charge_w):
            return
        await asyncio.sleep(0.02)


#: Every check, with the faults that it needs.
CHECKS: tuple[tuple[Check, frozenset[str]], ...] = (
    (opens_and_tells_its_nameplate, frozenset()),
    (writes_what_it_acknowledges, frozenset()),
    (positive_is_discharge, frozenset()),
    (reads_in_watts, frozenset()),
    (stays_inside_the_rating, frozenset()),
    (rounds_a_ceiling_down, frozenset()),
    (leaves_alone_what_is_not_named, frozenset()),
    (lets_go, frozenset()),
    (lets_go_of_one_quantity, frozenset()),
    (refuses_an_empty_command, frozenset()),
    (tells_silence, frozenset({"hang"})),
    (tells_a_missing_device, frozenset({"off"})),
    (tells_a_refusal_once, frozenset({"reject"})),
    (believes_the_read_back_only, frozenset({"ignore"})),
    (notices_wrong_values, frozenset({"wrong_values"})),
    (comes_back, frozenset({"off"})),
    (closes_twice, frozenset()),
    (survives_cancellation, frozenset({"hang"})),
)


@dataclass(frozen=True, slots=True)
class Report:
    """Which checks a driver passed, and which its peer could not put."""

    passed: tuple[str, ...]
    left_out: tuple[str, ...]


async def run_check(check: Check, factory: BenchFactory) -> None:
    """One check on a bench of its own.

    Raises:
        AssertionError: the driver fails it, in one sentence.
    """
    async with factory() as bench:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await check(bench)
        except TimeoutError:
            raise AssertionError(f"{_name(check)}: the driver did not come back within {PATIENCE_S:g} s") from None
        except DeviceError as error:
            raise AssertionError(f"{_name(check)}: the driver raised {type(error).__name__}: {error.reason}") from error
        finally:
            await bench.peer.fault("none")
            await bench.driver.close()
            if isinstance(bench.driver, ListeningDriver):
                await bench.driver.end()


async def examine(factory: BenchFactory) -> Report:
    """All checks, each on a fresh bench.

    Raises:
        AssertionError: the first check that fails.
    """
    passed: list[str] = []
    left_out: list[str] = []
    for check, needs in CHECKS:
        async with factory() as probe:
            possible = needs <= probe.peer.faults
        if possible:
            await run_check(check, factory)
        (passed if possible else left_out).append(_name(check))
    return Report(tuple(passed), tuple(left_out))


def _name(check: Check) -> str:
    return getattr(check, "__name__", repr(check))
