"""What a check works on: a driver, the simulated device behind it, and what is asked of both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Capability, Nameplate
from gridiface.drivers.api import Driver
from gridiface.errors import DeviceError

#: Faults that checks ask a peer for.
FAULTS = ("none", "off", "hang", "reject", "ignore", "wrong_values")


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


def require(condition: object, sentence: str) -> None:
    """Fail with this sentence unless it holds.

    Raises:
        AssertionError: it does not.
    """
    if not condition:
        raise AssertionError(sentence)


@contextlib.asynccontextmanager
async def raises(kind: type[DeviceError], what: str) -> AsyncIterator[None]:
    """What is done inside must raise an error of this kind.

    Raises:
        AssertionError: it raised another error of a device, or none.
    """
    try:
        yield
    except kind:
        return
    except DeviceError as error:
        raise AssertionError(f"{what} raised {type(error).__name__} ({error.reason}), not {kind.__name__}") from error
    raise AssertionError(f"{what} did not raise {kind.__name__}")


async def opened(bench: Bench) -> Nameplate:
    """Open the driver."""
    return await bench.driver.open()


def sets_watts(plate: Nameplate) -> bool:
    """Whether the device takes set-points."""
    return Capability.SET_W in plate.capabilities


def command_for(bench: Bench, plate: Nameplate, share: float) -> Setpoint:
    """A command that the device can carry out: a set-point where it has one, else a ceiling.

    A device that delivers nothing, a charging point, is told to take that share.
    """
    if not sets_watts(plate):
        return bench.setpoint(ceiling=share * bench.max_w)
    return bench.setpoint(share * bench.max_w if bench.max_w else -share * bench.max_charge_w)


def asked_of(command: Setpoint) -> float:
    """The power, or the ceiling, that a command of `command_for` asks for."""
    watts = command.active_power_w if command.active_power_w is not None else command.ceiling_w
    return watts or 0.0


async def settle(bench: Bench, watts: float) -> None:
    """Wait until the device delivers about what it was told; gives up silently, the check then says what it sees."""
    for _ in range(200):
        if abs(await bench.peer.power_w() - watts) <= 0.05 * (bench.max_w or bench.max_charge_w):
            return
        await asyncio.sleep(0.02)
