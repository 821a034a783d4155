"""The driver contract: what a driver for one kind of device implements, and what it may rely on.

A driver speaks to ONE device. It makes one attempt per call and tells the truth about it: attempts, backoff, circuit
breaking, dead-band, re-assertion and deadlines belong to the dispatcher, periods and reconnection to the poller.
Units and signs are the domain's: W, var, Wh; + delivered to the grid, + injected.

A driver is published under the entry point group `gridiface.drivers`: the entry names a class that is a
`DriverFactory`. docs/developer/writing-a-driver.md shows one whole; `gridiface.drivers.testkit` is its examination.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationInfo, field_validator

from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.domain.values import often_made
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout

#: What a key says of itself (`Field(json_schema_extra=NO_FILE)`) that may look like a path and is a URL, a topic, ...
NO_FILE: dict[str, JsonValue] = {"x-file": False}

#: What the folder of the configuration file is called in the context of a validation.
FOLDER = "folder"

#: The entry point group that drivers are published under.
ENTRY_POINT_GROUP = "gridiface.drivers"


class DeviceBusy(DeviceRejected):
    """The device refused for now, or has not taken over what was written: the same command may succeed later.

    The dispatcher tries again after a DeviceTimeout or a DeviceBusy, not after any other DeviceRejected.
    """


class DeviceGone(DeviceTimeout):
    """The device is away for certain: it said goodbye, its own connection to us ended, or the driver is not open.

    Nothing was asked of it. One unanswered reading may be chance; after this the device counts as lost at once, and a
    command that could not be given says nothing of how it takes commands.
    """


class DeviceForgot(DeviceTimeout):
    """The device answers, but does not hold any more what it was told: it restarted, or somebody else changed it.

    `Driver.read` raises it. The poller opens the device anew at once, and whoever told it something is told so.
    """


@often_made
class Ack:
    """What one write really did.

    Attributes:
        device_id: the device.
        at: when the device had answered.
        written: what was sent, by the device's own point names, in the point's unit.
        read_back: the same points as the device reported them afterwards; empty where `verified` is False.
        verified: the read-back showed what was written, or the device's protocol itself confirms values.
        active_power_w, ceiling_w, reactive_power_var: what the device now holds after its rounding and limits;
            None where this write did not touch it.
        revert_s: the device falls back by itself after so many seconds unless told again; None: it does not.
        notes: what was carried out otherwise than asked ("held to 5000 W").
        skipped: parts of the command that this device cannot carry out, each with the reason.
        undone: of the modes that are handed on those of which nothing was done, by name; a curve as `curve:` and its
            name. A control that asks for nothing else is not carried out here, whatever else was written.
    """

    device_id: str
    at: Instant
    written: Mapping[str, float] = field(default_factory=dict)
    read_back: Mapping[str, float] = field(default_factory=dict)
    verified: bool = True
    active_power_w: float | None = None
    ceiling_w: float | None = None
    reactive_power_var: float | None = None
    revert_s: float | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    undone: frozenset[str] = frozenset()


#: Keys on the way to a value; in a list the place from 0, or the name of the entry.
Place = tuple[int | str, ...]


class KeyProblems(ValueError):
    """What is wrong with a key whose value has parts, as a table has; a driver raises it while its keys are checked.

    Attributes:
        found: (place inside the value, what is wrong), at least one.
    """

    def __init__(self, found: Iterable[tuple[Place, str]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(text for _, text in self.found))


def placed(path: Path, info: ValidationInfo) -> Path:
    """A path that stands in a device's keys, relative ones seen from the folder of the configuration file.

    Every key of type Path is placed by DriverConfig; a driver that reads a file while its keys are checked calls this.
    """
    folder = (info.context or {}).get(FOLDER)
    path = path.expanduser()
    return path if folder is None else folder / path


class DriverConfig(BaseModel):
    """What the operator may set for every driver; each driver's `Config` adds its own keys to these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: DeviceKind | None = Field(None, description="What the device is; none: as the device tells.")
    timeout_s: float = Field(1.0, gt=0, le=60, description="Time for one answer of the device, seconds.")
    poll_period_s: float = Field(5.0, gt=0, le=86_400, description="Seconds between two readings of telemetry.")
    dead_band_w: float = Field(0.0, ge=0, description="A new set-point this close to the held one is not sent, W.")
    dead_band_percent: float = Field(0.0, ge=0, le=100, description="The same, percent of the device's rating.")
    min_period_s: float = Field(0.0, ge=0, le=3600, description="Least time between two commands, seconds.")
    rating_w: float | None = Field(None, gt=0, description="Rating of a device that does not tell its own, W.")
    revert_s: float | None = Field(
        60.0,
        gt=0,
        le=86_400,
        description="The device's own fall-back timer, seconds; it is told again at half time. none: never falls back.",
    )

    @field_validator("*", mode="after")
    @classmethod
    def _from_the_file(cls, value: Any, info: ValidationInfo) -> Any:
        return placed(value, info) if isinstance(value, Path) else value

    def hints(self) -> Iterable[str]:
        """What looks like a mistake and may be right, in words; `gridiface doctor` tells it."""
        return ()

    @property
    def listens_on(self) -> str | None:
        """Address and port on which the driver waits for its device to call; None: the driver calls the device."""
        return None


@runtime_checkable
class Driver(Protocol):
    """One device.

    Calls never overlap for `open` and `close`; `read` and `write` may come at the same time and the driver orders
    them. Every call may be cancelled at any await and leaves the driver usable.
    """

    @property
    def device_id(self) -> str:
        """The device's id in the fleet."""
        ...

    @property
    def kind(self) -> DeviceKind:
        """What the device is; valid after `open`."""
        ...

    @property
    def settings(self) -> Settings:
        """What the device is set to; valid after `open`."""
        ...

    @property
    def traits(self) -> DriverTraits:
        """How precisely and how often it can be commanded."""
        ...

    @property
    def connection(self) -> str | None:
        """The name of a connection shared with other devices, None where the device has its own.

        Commands of devices that share one are handed out one after the other.
        """
        ...

    async def open(self) -> Nameplate:
        """Connect and learn what the device is. After a failure or a close it may be called again.

        Raises:
            DeviceTimeout: no connection or no answer.
            DeviceRejected: it answers, but is not a device this driver can drive.
        """
        ...

    async def read(self) -> Snapshot:
        """The device's present state.

        Raises:
            DeviceForgot: it does not hold any more what it was told.
            DeviceGone: it is away for certain.
            DeviceTimeout: no answer, or not open.
            DeviceRejected: it refused, or answered nonsense.
        """
        ...

    async def write(self, command: Setpoint) -> Ack:
        """Carry the command out: ONE attempt, no retry. Returns only when something was written.

        Raises:
            DeviceTimeout: no answer, or not open; whether the device acted is unknown.
            DeviceBusy: refused for now, or a read-back did not (yet) show what was written.
            DeviceRejected: refused, or nothing of the command can be carried out.
        """
        ...

    async def revert(self) -> Ack:
        """Let go: the device returns to its own default. Raises as `write`."""
        ...

    async def close(self) -> None:
        """Disconnect without changing what the device does; twice is once; never raises."""
        ...


@runtime_checkable
class QuickDriver(Protocol):
    """What a driver may offer besides: to begin the commonest command without anybody waiting for it.

    In a fan-out to thousands of devices a task and a dozen awaits per device cost more than the bytes.
    """

    def begin(self, command: Setpoint, done: Callable[[Ack | DeviceError], None]) -> bool:
        """Begin one attempt as `Driver.write` makes it. False: not now or not this command, use `write`.

        True: the command is on its way, and `done` is called exactly once, later, with what `write` would return or
        raise. It is within the driver's own time-out, and cannot be called off.
        """
        ...


@runtime_checkable
class ResettingDriver(Protocol):
    """What a driver has besides whose device latches alarms until somebody resets them."""

    async def reset_alarms(self) -> frozenset[str]:
        """Reset what is latched: the alarms that the device still tells afterwards.

        Raises:
            DeviceTimeout: no answer, or not open.
            DeviceRejected: it refused, or has no way to reset alarms.
        """
        ...


@runtime_checkable
class ListeningDriver(Protocol):
    """What a driver has besides whose device calls US: between `close` and the next `open` it goes on listening.

    Otherwise a device that calls once a minute would find a closed door most of the time.
    """

    async def end(self) -> None:
        """Listen no more; called once, after the last `close`; twice is once; never raises."""
        ...


@runtime_checkable
class TellingDriver(Protocol):
    """What a driver has besides whose device tells by itself what changes, such as a vehicle that comes.

    The next reading may be half a minute off, and the next attempt to open a device that was away a whole one.
    """

    def on_news(self, tell: Callable[[], None]) -> None:
        """Called once, before the first `open`. `tell()` says that to read, or to open, is worth while now.

        It is called in the loop's thread, as often as there is news: the poller looks once a second at most.
        """
        ...


#: Makes what a driver has to know after a restart durable, in place of what was kept before; b"" keeps nothing. It
#: raises StoreUnavailable where it cannot.
Keep = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Shown:
    """One value of a device as somebody who installs it looks at it.

    Attributes:
        name: of the point.
        place: where the device has it: a register, a topic, a reference.
        raw: what is there.
        value: what it was understood to mean, in `unit`.
        unit: as the table or model has it.
        meaning: what it counts as; empty: a helper.
    """

    name: str
    place: str
    raw: str
    value: str
    unit: str = ""
    meaning: str = ""


@runtime_checkable
class ShowingDriver(Protocol):
    """What a driver has besides that can show what it reads, value by value, to who installs the device."""

    def show(self) -> Sequence[Shown]:
        """What was read last; valid after `open`."""
        ...


@runtime_checkable
class RememberingDriver(Protocol):
    """What a driver has besides that must know something of its device after a restart of the server.

    What a device held before it was told otherwise is nowhere else: a driver that lets go of it later keeps that first.
    """

    def recall(self, kept: bytes, keep: Keep) -> None:
        """Called once, before the first `open`: what `keep` was given last (b"": nothing), and `keep` itself."""
        ...


class Gateway(Protocol):
    """A gateway that commands many units in one message; see `gridiface.drivers.gateway.WriteBatcher`."""

    async def write_many(self, commands: Sequence[Setpoint]) -> Sequence[Ack | DeviceError]:
        """One attempt for each command, the answers in the same order; one unit's failure is a value.

        Raises:
            DeviceError: the gateway itself failed, so every command did.
        """
        ...


class DriverFactory(Protocol):
    """The class that an entry point of the group `gridiface.drivers` names."""

    #: The pydantic model of this driver's keys.
    Config: type[DriverConfig]

    @classmethod
    def create(cls, device_id: str, config: Any, *, clock: Clock) -> Driver:
        """A driver for one device, not yet open; `config` is an instance of `Config`. Does no I/O."""
        ...
