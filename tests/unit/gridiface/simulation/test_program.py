"""The demo's program: what it announces, and what it makes of a VEN that answers and reports."""

from __future__ import annotations

import asyncio
import contextlib
import time

from gridiface.app.config.openadr import OpenAdr
from gridiface.app.fronts.openadr_settings import openadr_vens
from gridiface.domain.controls import Acceptance, ControlMode, Verdict
from gridiface.domain.telemetry import Snapshot
from gridiface.simulation.program import CONTEXT, DemandResponse


class House:
    """Takes every control and delivers at once what the last one says."""

    def __init__(self, share=1.0):
        self.controls, self._share = {}, share

    def now(self):
        return time.time()

    def monotonic(self):
        return time.monotonic()

    async def commit(self, changes):
        return None

    async def documents(self, space):
        return []

    def preview(self, control, now, *, noted=False):
        return Acceptance(control_id=control.id, verdict=Verdict.ACCEPTED)

    async def submit(self, control, now, *, along=()):
        self.controls[control.id] = control
        return self.preview(control, now)

    async def cancel(self, control_id, now, *, reason="", along=()):
        return self.controls.pop(control_id, None) is not None

    @property
    def watts(self):
        return sum(control.values[ControlMode.SET_W].value for control in self.controls.values()) * self._share

    def barred(self, target):
        return ""

    def snapshot(self, target):
        now = time.time()
        return Snapshot(device_id=target.id, source_time=now, received=now, w=self.watts)


@contextlib.asynccontextmanager
async def taking_part(house):
    async with DemandResponse() as program:
        config = OpenAdr.model_validate(program.settings())
        (ven,) = openadr_vens(config, clock=house, ledger=house, inbox=house, fleet=house)
        await ven.start()
        try:
            yield program, ven
        finally:
            await ven.stop()


async def registered(ven):
    async with asyncio.timeout(20):
        while ven.core.registration.registrationID is None or not ven.core.pending_reports:
            await asyncio.sleep(0.05)


async def test_an_event_is_followed_reported_and_cancelled():
    house = House()
    async with taking_part(house) as (program, ven):
        await registered(ven)
        await program.plan(5000.0, start=time.time(), duration_s=60)
        heard = await program.watch(5000.0, 20.0, tolerance=0.02)
    assert heard["opt"] == "optIn"
    assert heard["reported_W"] == 5000.0
    assert heard["cancelled"] is True
    assert heard["reports"] >= 1
    assert not house.controls
    assert CONTEXT.startswith("http")


async def test_a_fleet_that_does_not_follow_is_told_so():
    house = House(share=0.5)
    async with taking_part(house) as (program, ven):
        await registered(ven)
        await program.plan(5000.0, start=time.time(), duration_s=60)
        heard = await program.watch(5000.0, 3.0, tolerance=0.02)
    assert heard["reported_W"] == 2500.0
