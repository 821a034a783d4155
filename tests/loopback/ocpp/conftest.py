"""Charging points by mobilityhouse's `ocpp`, which checks each message against the Open Charge Alliance's schemas."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets
from ocpp.exceptions import NotImplementedError as NotThere
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v21 import ChargePoint as ChargePoint21
from ocpp.v21 import call as call21
from ocpp.v21 import call_result as result21
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201

from gridiface.app.process.clock import SystemClock
from gridiface.drivers.testkit import Bench, BenchFactory, Held
from gridiface_southbound.ocpp.driver import OcppDriver

logging.getLogger("ocpp").setLevel(logging.CRITICAL)
NUMBERS = itertools.count()
MAX_W = 22_080.0


def stamp() -> str:
    return datetime.now(UTC).isoformat()


class Charger:
    """One charging point: it calls, again and again, and holds profiles by their ids; with the testkit's faults."""

    faults = frozenset({"none", "off", "hang", "reject", "ignore", "wrong_values"})
    version, subprotocol = "", ""

    def __init__(
        self, port: int, *, identity: str = "", secure: ssl.SSLContext | None = None, password: str = ""
    ) -> None:
        self.port, self.secure, self.password = port, secure, password
        self.identity = identity or f"CP{next(NUMBERS)}"
        self.mode = "none"
        self.count = 0
        self.stored: dict[int, dict[str, Any]] = {}
        self.profiles: list[dict[str, Any]] = []
        self.operative = True
        self.composite = True
        #: It says Rejected when it is asked for its schedule, whatever holds.
        self.mute = False
        self.wished = 11_000.0
        self.transaction: Any = None
        self.link: Any = None
        self.task: asyncio.Task[None] | None = None
        self.tasks: set[asyncio.Task[Any]] = set()
        self.refused: list[Any] = []
        self.connected = asyncio.Event()
        self.released = asyncio.Event()

    async def start(self) -> None:
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        task, self.task = self.task, None
        self.released.set()
        while task is not None and not task.done():
            # Once is not always enough: a call that `ocpp` waits for swallows it when its answer comes at that moment
            # (asyncio.wait_for before Python 3.12).
            task.cancel()
            await asyncio.wait([task], timeout=0.1)
        self.released.clear()

    async def _run(self) -> None:
        scheme = "wss" if self.secure else "ws"
        headers = {}
        if self.password:
            pair = base64.b64encode(f"{self.identity}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        while True:
            try:
                async with websockets.connect(
                    f"{scheme}://127.0.0.1:{self.port}/ocpp/{self.identity}",
                    subprotocols=[websockets.Subprotocol(self.subprotocol)],
                    additional_headers=headers,
                    ssl=self.secure,
                    open_timeout=5,
                    close_timeout=0.2,
                ) as socket:
                    assert socket.subprotocol == self.subprotocol
                    await self._session(socket)
            except (OSError, websockets.WebSocketException) as error:
                self.refused.append(error)
            self.connected.clear()
            await asyncio.sleep(0.05)

    async def _session(self, socket: Any) -> None:
        self.link = self.chargepoint(socket)
        reading = asyncio.create_task(self.link.start())
        try:
            await self.hello()
            self.connected.set()
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def busy(self) -> None:
        if self.mode == "hang":
            await self.released.wait()

    def take(self, profile: dict[str, Any]) -> str:
        """SetChargingProfile."""
        self.count += 1
        if self.mode == "reject":
            return "Rejected"
        if self.mode != "ignore":
            schedule = self.schedule_of(profile)
            if self.mode == "wrong_values":
                schedule["charging_schedule_period"][0]["limit"] /= 2
            self.stored[profile.get("id", profile.get("charging_profile_id"))] = profile
            self.profiles.append(profile)
        return "Accepted"

    @property
    def profile(self) -> dict[str, Any] | None:
        """What rules: the session's own profile, else the default's."""
        return max(self.stored.values(), key=lambda one: one["charging_profile_purpose"] == "TxProfile", default=None)

    def ended(self) -> None:
        """A session's own profile goes with it."""
        self.transaction = None
        self.stored = {n: p for n, p in self.stored.items() if p["charging_profile_purpose"] != "TxProfile"}

    def schedule_of(self, profile: dict[str, Any]) -> Any:
        schedule = profile["charging_schedule"]
        return schedule[0] if isinstance(schedule, list) else schedule

    def limit(self) -> float | None:
        return None if self.profile is None else float(self.period()[self.word])

    def period(self) -> Any:
        return self.schedule_of(self.profile or {})["charging_schedule_period"][0]

    @property
    def word(self) -> str:
        """How its profile says what holds."""
        return "setpoint" if self.profile is not None and "setpoint" in self.period() else "limit"

    def clear(self, number: int) -> str:
        self.count += 1
        if self.mode == "reject":
            return "Unknown"
        return "Accepted" if self.stored.pop(number, None) else "Unknown"

    def takes(self) -> float:
        limit = self.limit()
        if limit is not None and self.word == "setpoint":
            return limit
        return self.wished if limit is None else min(self.wished, limit)

    # The testkit's peer --------------------------------------------------------------------------------------------

    async def fault(self, name: str) -> None:
        if self.mode == "off" and name != "off":
            await self.start()
        if name == "off" and self.mode != "off":
            await self.stop()
        self.mode = name
        if name == "none":
            self.released.set()
            await asyncio.sleep(0)
            self.released.clear()

    async def held(self) -> Held:
        limit = self.limit()
        return Held(active_power_w=None if limit is None else -limit, connected=self.operative)

    async def power_w(self) -> float:
        return -self.takes()

    async def writes(self) -> int:
        return self.count

    def later(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def asked_for(self, message: str) -> Any:
        return {"MeterValues": self.meter, "StatusNotification": self.status, "BootNotification": self.boot}[message]()

    async def hello(self) -> None:
        await self.boot()
        await self.status()

    # What is said in the words of a version ------------------------------------------------------------------------

    def chargepoint(self, socket: Any) -> Any:
        raise NotImplementedError

    async def boot(self) -> None:
        raise NotImplementedError

    async def status(self) -> None:
        raise NotImplementedError

    async def meter(self) -> None:
        raise NotImplementedError

    async def begin(self, tag: str = "AA") -> Any:
        raise NotImplementedError

    async def finish(self) -> None:
        raise NotImplementedError


def alike(charger: Charger, result: Any) -> Any:
    """What both versions answer alike, in the words of one: `result` is its module of answers."""

    class Alike:
        @on("TriggerMessage")
        async def on_trigger(self, requested_message: str, **_: Any) -> Any:
            await charger.busy()
            charger.later(charger.asked_for(requested_message))
            return result.TriggerMessage(status="Accepted")

        @on("ClearChargingProfile")
        async def on_clear(self, **which: Any) -> Any:
            (number,) = which.values()
            return result.ClearChargingProfile(status=charger.clear(number))

    return Alike


def point16(charger: Charger) -> type:
    class Point(alike(charger, result16), ChargePoint16):
        @on("ChangeConfiguration")
        async def on_configuration(self, key: str, value: str) -> Any:
            return result16.ChangeConfiguration(status="NotSupported")

        @on("SetChargingProfile")
        async def on_set(self, connector_id: int, cs_charging_profiles: dict[str, Any]) -> Any:
            status = charger.take(cs_charging_profiles)
            await charger.busy()
            return result16.SetChargingProfile(status=status)

        @on("GetCompositeSchedule")
        async def on_composite(self, connector_id: int, duration: int, **_: Any) -> Any:
            await charger.busy()
            if not charger.composite:
                raise NotThere(description="not here")
            limit = None if charger.mute else charger.limit()
            if limit is None:
                return result16.GetCompositeSchedule(status="Rejected")
            schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
            return result16.GetCompositeSchedule(
                status="Accepted", connector_id=1, schedule_start=stamp(), charging_schedule=schedule
            )

        @on("ChangeAvailability")
        async def on_availability(self, connector_id: int, type: str) -> Any:
            charger.operative = type == "Operative"
            return result16.ChangeAvailability(status="Accepted" if charger.transaction is None else "Scheduled")

    return Point


class Charger16(Charger):
    version, subprotocol = "1.6", "ocpp1.6"

    def chargepoint(self, socket: Any) -> Any:
        return point16(self)(self.identity, socket)

    async def boot(self) -> None:
        answer = await self.link.call(
            call16.BootNotification(charge_point_model="M16", charge_point_vendor="V", firmware_version="1.2")
        )
        assert answer.status == "Accepted"

    async def status(self, status: str = "Charging") -> None:
        await self.link.call(
            call16.StatusNotification(connector_id=1, error_code="NoError", status=status, timestamp=stamp())
        )

    async def meter(self) -> None:
        watts = self.takes()
        samples = [
            {"value": f"{watts / 3000:.6f}", "measurand": "Power.Active.Import", "unit": "kW", "phase": phase}
            for phase in ("L1", "L2", "L3")
        ]
        samples += [{"value": "8123456", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
        samples += [{"value": "231.5", "measurand": "Voltage", "unit": "V", "phase": "L1-N"}]
        samples += [{"value": "44", "measurand": "SoC", "unit": "Percent"}]
        value = [{"timestamp": stamp(), "sampledValue": samples}]
        await self.link.call(call16.MeterValues(connector_id=1, meter_value=value))

    async def begin(self, tag: str = "AA") -> Any:
        answer = await self.link.call(
            call16.StartTransaction(connector_id=1, id_tag=tag, meter_start=0, timestamp=stamp())
        )
        self.transaction = answer.transaction_id
        return answer

    async def finish(self) -> None:
        await self.link.call(
            call16.StopTransaction(transaction_id=self.transaction, meter_stop=10, timestamp=stamp(), reason="Local")
        )
        self.ended()


def point2(charger: Charger, base: type, result: Any) -> type:
    """In the words of 2.0.1 or 2.1."""

    class Point(alike(charger, result), base):  # type: ignore[misc]
        @on("SetVariables")
        async def on_variables(self, set_variable_data: list[dict[str, Any]]) -> Any:
            found = [{"attributeStatus": "Accepted", "component": one["component"], "variable": one["variable"]}
                     for one in set_variable_data]  # fmt: skip
            return result.SetVariables(set_variable_result=found)

        @on("SetChargingProfile")
        async def on_set(self, evse_id: int, charging_profile: dict[str, Any]) -> Any:
            status = charger.take(charging_profile)
            await charger.busy()
            info = {"reasonCode": "TooHigh"} if status == "Rejected" else None
            return result.SetChargingProfile(status=status, status_info=info)

        @on("GetCompositeSchedule")
        async def on_composite(self, duration: int, evse_id: int, **_: Any) -> Any:
            await charger.busy()
            limit = None if charger.mute else charger.limit()
            if limit is None:
                return result.GetCompositeSchedule(status="Rejected")
            schedule = {"evseId": 1, "duration": 60, "scheduleStart": stamp(), "chargingRateUnit": "W",
                        "chargingSchedulePeriod": [{"startPeriod": 0, charger.word: limit}]}  # fmt: skip
            return result.GetCompositeSchedule(status="Accepted", schedule=schedule)

        @on("ChangeAvailability")
        async def on_availability(self, operational_status: str, **_: Any) -> Any:
            charger.operative = operational_status == "Operative"
            return result.ChangeAvailability(status="Accepted")

    return Point


class Charger201(Charger):
    version, subprotocol, call = "2.0.1", "ocpp2.0.1", call201

    def chargepoint(self, socket: Any) -> Any:
        self.sequence = itertools.count()
        return self.point()(self.identity, socket)

    def point(self) -> type:
        return point2(self, ChargePoint201, result201)

    async def boot(self) -> None:
        station = {"model": "M201", "vendorName": "V", "serialNumber": "S1", "firmwareVersion": "3"}
        answer = await self.link.call(self.call.BootNotification(charging_station=station, reason="PowerUp"))
        assert answer.status == "Accepted"

    async def status(self, status: str = "Occupied") -> None:
        await self.link.call(
            self.call.StatusNotification(timestamp=stamp(), connector_status=status, evse_id=1, connector_id=1)
        )

    def samples(self) -> list[dict[str, Any]]:
        watts = {"value": round(self.takes() / 1000, 4), "measurand": "Power.Active.Import",
                 "unitOfMeasure": {"unit": "W", "multiplier": 3}}  # fmt: skip
        return [{"timestamp": stamp(), "sampledValue": [watts, {"value": 44, "measurand": "SoC"}]}]

    async def meter(self) -> None:
        await self.link.call(self.call.MeterValues(evse_id=1, meter_value=self.samples()))

    async def _event(self, kind: str, **keys: Any) -> Any:
        return await self.link.call(
            self.call.TransactionEvent(
                event_type=kind, timestamp=stamp(), trigger_reason="Authorized", seq_no=next(self.sequence),
                transaction_info={"transactionId": self.transaction}, **keys,
            )
        )  # fmt: skip

    async def begin(self, tag: str = "AA") -> Any:
        self.transaction = f"T{next(NUMBERS)}"
        token = {"idToken": tag, "type": "ISO14443"}
        return await self._event("Started", evse={"id": 1}, id_token=token, meter_value=self.samples())

    async def finish(self) -> None:
        await self._event("Ended")
        self.ended()


class Charger21(Charger201):
    version, subprotocol, call = "2.1", "ocpp2.1", call21

    def point(self) -> type:
        return point2(self, ChargePoint21, result21)

    def samples(self) -> list[dict[str, Any]]:
        values = super().samples()
        (watts, *_) = values[0]["sampledValue"]
        if watts["value"] < 0:
            watts |= {"value": -watts["value"], "measurand": "Power.Active.Export"}
        return values

    async def needs(self, gives_w: float) -> str:
        """The vehicle says what it can (ISO 15118-20)."""
        answer = await self.link.call(
            call21.NotifyEVChargingNeeds(
                evse_id=1,
                charging_needs={
                    "requestedEnergyTransfer": "DC_BPT",
                    "v2xChargingParameters": {"maxChargePower": 11_000, "maxDischargePower": gives_w},
                },
            )
        )
        return str(answer.status)


CHARGERS: dict[str, type[Charger]] = {"1.6": Charger16, "2.0.1": Charger201, "2.1": Charger21}


@pytest.fixture
def charging_points() -> dict[str, type[Charger]]:
    return CHARGERS


@pytest.fixture
def simulate() -> Callable[..., contextlib.AbstractAsyncContextManager[Charger]]:
    """`async with simulate("1.6", port) as charger`."""

    @contextlib.asynccontextmanager
    async def run(version: str, port: int, **keys: Any) -> AsyncIterator[Charger]:
        charger = CHARGERS[version](port, **keys)
        await charger.start()
        try:
            yield charger
        finally:
            await charger.stop()

    return run


@pytest.fixture
def driver_for() -> Callable[..., OcppDriver]:
    """`driver_for(charger, **keys)`: a driver, not open."""

    def make(charger: Any, **keys: Any) -> OcppDriver:
        defaults = {
            "listen": f"127.0.0.1:{charger.port}", "charge_point": charger.identity, "security_profile": 0,
            "max_charge_w": MAX_W, "timeout_s": 2.0, "first_connection_s": 5.0,
        }  # fmt: skip
        return OcppDriver.create("unit", OcppDriver.Config(**(defaults | keys)), clock=SystemClock())

    return make


@pytest.fixture
def benches(simulate: Any, driver_for: Any, free_port: Any) -> Callable[[str], BenchFactory]:
    def factory_of(version: str) -> BenchFactory:
        @contextlib.asynccontextmanager
        async def bench() -> AsyncIterator[Bench]:
            async with simulate(version, free_port()) as charger:
                charger.wished = MAX_W
                yield Bench(driver=driver_for(charger), peer=charger, now=time.time, max_w=0, max_charge_w=MAX_W)

        return bench

    return factory_of
