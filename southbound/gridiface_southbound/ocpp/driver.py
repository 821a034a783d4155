"""The OCPP driver: a charging point that calls us, as `gridiface.drivers.api.Driver`.

It only ever takes power, but for vehicles that give back over OCPP 2.1.

Owned here: opening (the wait for its call), reading, one limit with its read-back, letting go. Not owned: the
connection (listener, session), what it says (station), the form of commands (profiles).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import ClassVar

from gridiface.domain.clock import Clock
from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import Capability, DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.drivers.api import Ack, DeviceBusy, DeviceForgot, DeviceGone
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.ocpp import profiles
from gridiface_southbound.ocpp.config import OcppConfig
from gridiface_southbound.ocpp.doing import Doing, seconds_of
from gridiface_southbound.ocpp.hearing import Hearing
from gridiface_southbound.ocpp.listener import Listener, Seat, leave, listener_for, numbers
from gridiface_southbound.ocpp.rpc import Json
from gridiface_southbound.ocpp.session import Session
from gridiface_southbound.ocpp.station import Station


class OcppDriver:
    """Drives one charging point; made by `create`."""

    Config: ClassVar[type[OcppConfig]] = OcppConfig

    def __init__(self, device_id: str, config: OcppConfig, *, clock: Clock) -> None:
        given = numbers(clock)
        self.station = Station(config, lambda: next(given))
        self._id = device_id
        self._config = config
        self._clock = clock
        self._listener: Listener | None = None
        self._seat: Seat | None = None
        #: The connection in which it was told what is told once.
        self._configured: Session | None = None
        self._open = False
        #: Whether we told it to be inoperative; None: not known, this process has told it neither.
        self._switched: bool | None = None
        self._hearing = Hearing(self._places)
        self._writing = asyncio.Lock()

    @classmethod
    def create(cls, device_id: str, config: OcppConfig, *, clock: Clock) -> OcppDriver:
        """A driver, not yet open."""
        return cls(device_id, config, clock=clock)

    @property
    def device_id(self) -> str:
        """The device's id in the fleet."""
        return self._id

    @property
    def kind(self) -> DeviceKind:
        """A charging point, unless configured otherwise."""
        return self._config.kind or DeviceKind.EVSE

    @property
    def settings(self) -> Settings:
        """Nothing: a charging point tells none."""
        return Settings()

    @property
    def traits(self) -> DriverTraits:
        """As configured; a limit holds for `revert_s`."""
        return DriverTraits(
            min_period_s=self._config.min_period_s,
            power_step_w=0.1 * self._config.watts_per_unit,
            least_power_w=self._config.least_w,
            revert_timer_s=self._config.revert_s,
            sessions=1,
        )

    @property
    def connection(self) -> str | None:
        """Its own."""
        return None

    def on_news(self, tell: Callable[[], None]) -> None:
        """As `TellingDriver.on_news`."""
        self._hearing.on_news(tell)

    async def open(self) -> Nameplate:
        """As `Driver.open`: waits until the charging point has called."""
        self._open = False
        seat = await self._sit()
        try:
            async with asyncio.timeout(self._config.first_connection_s):
                await _until(seat, lambda: seat.session is not None)
        except TimeoutError:
            if seat.refusal:
                raise DeviceRejected(f"was turned away: {seat.refusal}", device_id=self._id) from None
            raise DeviceTimeout(
                f"{self._config.charge_point} has not called {self._config.listen}", device_id=self._id
            ) from None
        if seat.session is not None:
            await self._configure(seat.session)
        self._open = True
        station = self.station
        return Nameplate(
            max_w=self._config.max_discharge_w if station.version == "2.1" else 0.0,
            max_charge_w=self._config.max_charge_w,
            capabilities=frozenset({Capability.SET_W, Capability.CONNECT, Capability.ENERGIZE}),
            manufacturer=station.vendor,
            model=station.model,
            serial=station.serial,
            version=station.firmware,
        )

    async def read(self) -> Snapshot:
        """As `Driver.read`."""
        session = self._session()
        if session is not self._configured:
            # It may have restarted and lost its limit: opened anew, it is told everything again.
            raise DeviceForgot("the charging point has called anew", device_id=self._id)
        if not self._hearing.just_told() and self._config.trigger and session.can_trigger:
            await self._ask_meter(session)
        now, station, config = self._clock.now(), self.station, self._config
        number, places = config.connector, self._places()
        watts, at = station.power(places)
        one = station.at(number or (places[0] if places else 0))
        told = all(station.at(place).measured.w is not None or not station.at(place).measured.amps for place in places)
        old = watts is None or (at is not None and now - at > config.stale_after_s)
        states = [station.state(place) for place in places]
        return Snapshot(
            device_id=self._id,
            source_time=min(now, at or now),
            received=now,
            quality=Quality.STALE if old else Quality.GOOD if told else Quality.ESTIMATED,
            w=watts,
            var=one.measured.var,
            hz=one.measured.hz,
            volts=dict(one.measured.volts),
            amps={phase: amps for phase, amps in one.measured.amps.items() if phase is not Phase.ALL},
            soc=one.measured.soc if number else None,
            available_up_w=None if watts is None else max(0.0, station.gives(number) - watts),
            available_down_w=None if watts is None else max(0.0, watts + config.max_charge_w),
            connected=station.plugged(number) if number else any(station.plugged(place) for place in places),
            state=max(states, key=lambda state: state.value == "running") if states else station.state(number),
            alarms=frozenset(error for place in {0, *places} if (error := station.at(place).error)),
        )

    async def write(self, command: Setpoint) -> Ack:
        """As `Driver.write`."""
        if command.release:
            return await self._let_go(command.let_go)
        async with self._writing:
            session = self._session()
            ack = Doing(self._id, [f"{mode}: not written by this driver" for mode in command.passed])
            for name, value in (("ceiling", command.ceiling_w), ("reactive_power", command.reactive_power_var)):
                if value is not None:
                    ack.skipped.append(f"{name}: a charging point has none")
            wishes = [wish for wish in (command.connect, command.energize) if wish is not None]
            if wishes or self._to_be_switched_on(command.let_go):
                await self._switch(session, ack, on=all(wishes))
            if command.active_power_w is not None:
                await self._limit(session, ack, command, command.active_power_w)
            elif ControlMode.SET_W in command.let_go:
                await self._clear(session, ack)
            if not ack.written:
                reasons = "; ".join(ack.skipped) or "the command asks for nothing"
                raise DeviceRejected(f"nothing was written: {reasons}", device_id=self._id)
            return ack.done(self._clock.now())

    async def revert(self) -> Ack:
        """As `Driver.revert`: our profile is cleared, and the charging point is operative again."""
        return await self._let_go(frozenset())

    def _to_be_switched_on(self, let_go: frozenset[ControlMode]) -> bool:
        """Whether it is inoperative by our word, or may be by what it was told before a restart."""
        named = not let_go.isdisjoint({ControlMode.CONNECT, ControlMode.ENERGIZE})
        return named and self._switched is not False

    async def _let_go(self, let_go: frozenset[ControlMode]) -> Ack:
        async with self._writing:
            session = self._session()
            ack = Doing(self._id, [])
            await self._clear(session, ack)
            if self._switched or self._to_be_switched_on(let_go):
                await self._switch(session, ack, on=True)
            return ack.done(self._clock.now())

    async def close(self) -> None:
        """As `Driver.close`; the charging point stays connected, and may call, until `end`."""
        self._open = False

    async def end(self) -> None:
        """As `ListeningDriver.end`: the charging point is let in no more."""
        self._open = False
        listener, self._listener, self._seat = self._listener, None, None
        self._hearing.leave()
        if listener is not None:
            await leave(listener, self._config)

    # Commands ------------------------------------------------------------------------------------------------------

    async def _limit(self, session: Session, ack: Doing, command: Setpoint, watts: float) -> None:
        config, now = self._config, self._clock.now()
        gives = self.station.gives(config.connector)
        take = min(config.max_charge_w, max(-gives, -watts))
        if take != -watts:
            most = f"it takes at most {config.max_charge_w:g} W and gives at most {gives:g} W"
            ack.notes.append(f"active_power held to {-take:g} W: {most}")
        limit = profiles.limit_of(take, config)
        seconds = seconds_of(command, config.revert_s, now)
        transaction = self.station.at(config.connector).transaction
        if config.purpose == "transaction" and transaction is None:
            raise DeviceBusy("no session runs that a profile could be given to", device_id=self._id)
        if transaction is not None and profiles.follows_sessions(config):
            await self._limit_next(session, ack, max(0.0, limit), seconds)
        payload = profiles.set_profile(
            session.version, config, limit, transaction=transaction, seconds=seconds, now=now
        )
        await self._accepted(session, "SetChargingProfile", payload)
        ack.written["SetChargingProfile"] = limit
        seen = await self._composite(session, ack)
        if seen is not None:
            if abs(seen - limit) > 0.051:
                raise DeviceBusy(f"GetCompositeSchedule shows {seen:g} after {limit:g} was set", device_id=self._id)
            ack.read_back["SetChargingProfile"] = seen
        ack.active_power_w = -limit * config.watts_per_unit + 0.0
        ack.revert_s = seconds

    async def _limit_next(self, session: Session, ack: Doing, limit: float, seconds: float | None) -> None:
        """The same limit for whoever plugs in next: a session's own profile ends with it (1.6 3.13.1, 2.0.1 K02)."""
        payload = profiles.set_profile(
            session.version, self._config, limit, transaction=None, seconds=seconds, now=self._clock.now()
        )
        try:
            await self._accepted(session, "SetChargingProfile", payload)
        except DeviceRejected as error:
            ack.notes.append(f"a session that begins later is not limited: {error.reason}")

    async def _composite(self, session: Session, ack: Doing) -> float | None:
        """The limit that it shows; None where it cannot show any.

        Raises:
            DeviceBusy: it can, and shows none.
        """
        if not self._config.read_back:
            ack.notes.append("not read back: as configured")
            return None
        payload = profiles.ask_composite(session.version, self._config)
        try:
            answer = await self._call(session, "GetCompositeSchedule", payload)
        except DeviceBusy:
            raise
        except DeviceRejected as error:
            # Accepted is then the protocol's own confirmation: "the request will be executed".
            ack.notes.append(f"not read back: {error.reason}")
            return None
        seen = profiles.composite_limit(session.version, answer, self._config)
        if seen is None:
            raise DeviceBusy("GetCompositeSchedule shows no limit after one was set", device_id=self._id)
        return seen

    async def _clear(self, session: Session, ack: Doing) -> None:
        for payload in profiles.clear_profiles(session.version, self._config):
            # Unknown: there is none, which is what was asked for.
            await self._accepted(session, "ClearChargingProfile", payload, also=("Unknown",))
        ack.written["ClearChargingProfile"] = ack.read_back["ClearChargingProfile"] = float(self._config.profile_id)

    async def _switch(self, session: Session, ack: Doing, *, on: bool) -> None:
        payload = profiles.availability(session.version, self._config, on=on)
        self._switched = True
        status = await self._accepted(session, "ChangeAvailability", payload, also=("Scheduled",))
        if status == "Scheduled":
            ack.notes.append("takes effect when the session ends")
        self._switched = not on
        ack.written["ChangeAvailability"] = ack.read_back["ChangeAvailability"] = float(on)

    async def _accepted(self, session: Session, action: str, payload: Json, *, also: tuple[str, ...] = ()) -> str:
        answer = await self._call(session, action, payload)
        status = answer.get("status")
        if status == "Accepted" or status in also:
            return str(status)
        info = answer.get("statusInfo")
        reason = f" ({info.get('reasonCode')})" if isinstance(info, dict) else ""
        raise DeviceRejected(f"{action}: {str(status)[:40]}{reason[:60]}", device_id=self._id)

    # The connection ------------------------------------------------------------------------------------------------

    async def _sit(self) -> Seat:
        """Our place at the listener; taken once, kept until `end`."""
        if self._seat is None or self._listener is None:
            config = self._config
            try:
                listener = listener_for(config.listener)
                seat = listener.sit(config, self.station, self._clock)
                self._listener, self._seat, self.station = listener, seat, seat.station
                self._hearing.sit(seat)
                await listener.start()
            except DeviceError as error:
                await self.end()
                error.device_id = self._id
                raise
        return self._seat

    def _session(self) -> Session:
        if not self._open or self._seat is None:
            raise DeviceGone("the driver is not open", device_id=self._id)
        if self._seat.session is None:
            raise DeviceGone("the charging point is not connected", device_id=self._id)
        return self._seat.session

    def _places(self) -> list[int]:
        """The connectors that count."""
        number = self._config.connector
        return [number] if number else sorted(place for place in self.station.connectors if place)

    async def _configure(self, session: Session) -> None:
        """What is told once in each connection; a charging point that takes it not works all the same."""
        if session is self._configured:
            return
        seconds = str(self._config.meter_interval_s)
        calls: list[tuple[str, Json]] = []
        if not self.station.booted:
            calls.append(("TriggerMessage", {"requestedMessage": "BootNotification"}))
        if self._config.meter_interval_s and session.version == "1.6":
            calls.append(("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": seconds}))
        elif self._config.meter_interval_s:
            variable = {
                "component": {"name": "SampledDataCtrlr"},
                "variable": {"name": "TxUpdatedInterval"},
                "attributeValue": seconds,
            }
            calls.append(("SetVariables", {"setVariableData": [variable]}))
        calls.append(("TriggerMessage", {"requestedMessage": "StatusNotification"}))
        for action, payload in calls:
            with contextlib.suppress(DeviceRejected):
                await self._call(session, action, payload)
        self._configured = session

    async def _ask_meter(self, session: Session) -> None:
        seat, number = self._seat, self._config.connector
        if seat is None:
            return

        def count() -> int:
            return sum(one.meters for place, one in self.station.connectors.items() if not number or place == number)

        before = count()
        try:
            with self._hearing.asking():
                answer = await self._call(session, "TriggerMessage", profiles.ask_meter(session.version, self._config))
                if answer.get("status") != "Accepted":
                    session.can_trigger = answer.get("status") != "NotImplemented"
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._config.timeout_s):
                        await _until(seat, lambda: count() > before or seat.session is not session)
        except DeviceBusy:
            return
        except DeviceRejected:
            session.can_trigger = False

    async def _call(self, session: Session, action: str, payload: Json) -> Json:
        try:
            return await session.call(action, payload, timeout_s=self._config.timeout_s)
        except DeviceError as error:
            error.device_id = self._id
            raise


async def _until(seat: Seat, condition: Callable[[], bool]) -> None:
    while not condition():
        seat.news.clear()
        await seat.news.wait()
