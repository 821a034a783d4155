"""How a simulated fleet behaves from one moment to the next. Columns; W, + delivered. Time is an argument.

Devices follow what they were told inside what they can do; who fails gives and takes nothing and does not answer;
who lies reports a state of charge that is not its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Delivery, DeliveryOutcome, Setpoint
from gridiface.domain.fleet import Device, DeviceKind
from gridiface.domain.telemetry import Quality, Snapshot

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_DAY_S = 86_400.0


class SimulatedFleet:
    """Its devices by place; `start` is the midnight from which hours count."""

    def __init__(self, devices: Sequence[Device], start: Instant, *, seed: int = 1) -> None:
        random = np.random.default_rng(seed)
        self.devices = tuple(devices)
        self.ids = tuple(device.id for device in devices)
        self.place = {name: at for at, name in enumerate(self.ids)}
        kinds = [device.kind for device in devices]
        self.sun, self.load, self.car = (
            np.array([kind is one for kind in kinds]) for one in (DeviceKind.PV, DeviceKind.LOAD, DeviceKind.EV)
        )
        self.out_w = np.array([device.max_export_w for device in devices])
        self.in_w = np.array([device.max_import_w for device in devices])
        self.wh = np.array([device.nameplate.energy_wh or np.nan for device in devices])
        self.ramp = np.array([device.settings.ramp_w_per_s or 1e12 for device in devices])
        self.soc_min = np.array([device.settings.soc_min for device in devices])
        self.soc_max = np.array([device.settings.soc_max for device in devices])
        count = len(devices)
        self.soc = np.where(self.car, random.uniform(0.25, 0.6, count), random.uniform(0.6, 0.9, count))
        self.told = np.full(count, np.nan)
        self.ceiling = np.full(count, np.inf)
        self.dead, self.lies = np.zeros(count, dtype=np.bool_), np.zeros(count)
        self.away = np.zeros(count, dtype=np.bool_)
        self._start = start
        self._habit = random.uniform(0.85, 1.15, count)
        self._home_at = random.uniform(16.5, 19.0, count)
        self._trip = random.uniform(0.25, 0.4, count)
        self._random = random
        self.w = self.natural(start)

    # What each would do by itself, and could do.

    def sky(self, now: Instant) -> float:
        """The sun's part of its strength, 0..1: a July day with passing clouds."""
        hour = (now - self._start) % _DAY_S / 3600.0
        height = float(np.sin(np.pi * (hour - 5.5) / 15.5)) if 5.5 < hour < 21.0 else 0.0
        return max(0.0, height) * (0.9 + 0.1 * float(np.sin(now / 211.0)) * float(np.sin(now / 1873.0)))

    def natural(self, now: Instant) -> FloatArray:
        """The power of each without a command."""
        hour = (now - self._start) % _DAY_S / 3600.0
        people = 0.35 + 0.25 * np.exp(-(((hour - 8) / 2) ** 2)) + 0.5 * np.exp(-(((hour - 18.5) / 2.5) ** 2))
        wanted = np.where(self.sun, self.sky(now) * self.out_w * np.minimum(self._habit, 1.0), 0.0)
        wanted = np.where(self.load, -np.minimum(people * self._habit, 1.0) * self.in_w, wanted)
        return np.where(self.car, self._car_limit(), wanted)

    def _car_limit(self) -> FloatArray:
        """What a car takes as long as it is there and not full (a negative power)."""
        taper = np.clip((1.0 - self.soc) / 0.2, 0.1, 1.0)
        return np.where(self.away | (self.soc >= 0.999), 0.0, -self.in_w * taper)

    def able(self, now: Instant) -> tuple[FloatArray, FloatArray]:
        """(least, most) power that each can have now; 0 for who is dead or away."""
        natural = self.natural(now)
        stored = np.isfinite(self.wh) & ~self.car
        low = np.where(stored, np.where(self.soc < self.soc_max, -self.in_w, 0.0), np.minimum(natural, 0.0))
        high = np.where(stored, np.where(self.soc > self.soc_min, self.out_w, 0.0), np.maximum(natural, 0.0))
        gone = self.dead | self.away
        return np.where(gone, 0.0, low), np.where(gone, 0.0, high)

    # Time.

    def advance(self, seconds: float, now: Instant) -> None:
        """Let `seconds` pass; `now` is their end."""
        self._traffic(now)
        low, high = self.able(now)
        natural = self.natural(now)
        goal = np.where(np.isfinite(self.told), self.told, natural)
        goal = np.clip(np.minimum(goal, self.ceiling), low, high)
        reach = self.ramp * seconds
        before = self.w
        self.w = before + np.clip(goal - before, -reach, reach)
        self.w = np.where(self.dead | self.away, 0.0, self.w)
        # Most of a step the power is the new one: it moves within seconds.
        share = np.clip(np.abs(goal - before) / self.ramp / max(seconds, 1e-9), 0.0, 1.0) / 2
        mean = self.w + share * (before - self.w)
        stored = np.isfinite(self.wh)
        moved = mean * seconds / 3600.0 / np.where(stored, self.wh, 1.0)
        self.soc = np.where(stored, np.clip(self.soc - moved, 0.0, 1.0), self.soc)

    def _traffic(self, now: Instant) -> None:
        hour = (now - self._start) % _DAY_S / 3600.0
        gone = self.car & (hour >= 7.0) & (hour < self._home_at)
        back = self.away & ~gone
        self.soc[back] = np.maximum(self.soc[back] - self._trip[back], 0.1)
        left = gone & ~self.away
        self.told[left] = np.nan
        self.away = gone

    def fail(self, ids: Iterable[str]) -> None:
        """These stop: no power, no answer."""
        for name in ids:
            self.dead[self.place[name]] = True

    def heal(self, ids: Iterable[str]) -> None:
        """These work again, at first as if nobody had told them anything."""
        for name in ids:
            at = self.place[name]
            self.dead[at], self.told[at], self.ceiling[at] = False, np.nan, np.inf

    def lie(self, ids: Iterable[str], by: float) -> None:
        """These report a state of charge that is off by `by` from now on."""
        for name in ids:
            self.lies[self.place[name]] = by

    # What is seen of it, and what it is told.

    def snapshots(self, now: Instant) -> list[Snapshot]:
        """One reading of every device; who is dead cannot be read."""
        shown = np.clip(self.soc + self.lies, 0.0, 1.0)
        natural = self.natural(now)
        up = np.maximum(natural - self.w, 0.0)
        down = np.maximum(self.w - natural, 0.0)
        rows = zip(
            self.ids,
            self.w.tolist(),
            shown.tolist(),
            np.isfinite(self.wh).tolist(),
            self.dead.tolist(),
            self.away.tolist(),
            np.where(self.sun, up, np.nan).tolist(),
            np.where(self.load, down, np.nan).tolist(),
            strict=True,
        )
        return [
            Snapshot(device_id=name, source_time=now, received=now, quality=Quality.BAD)
            if dead
            else Snapshot(
                device_id=name,
                source_time=now,
                received=now,
                w=watts,
                soc=soc if stored else None,
                connected=not away,
                available_up_w=None if more != more else more,  # noqa: PLR0124 - NaN
                available_down_w=None if less != less else less,  # noqa: PLR0124 - NaN
            )
            for name, watts, soc, stored, dead, away, more, less in rows
        ]

    def apply(self, setpoints: Iterable[Setpoint], now: Instant) -> list[Delivery]:
        """Carry set-points out; who is dead does not answer."""
        deliveries = []
        for setpoint in setpoints:
            at = self.place[setpoint.device_id]
            outcome = DeliveryOutcome.TIMEOUT if self.dead[at] else DeliveryOutcome.ACKNOWLEDGED
            if not self.dead[at]:
                watts, ceiling = setpoint.active_power_w, setpoint.ceiling_w
                self.told[at] = np.nan if watts is None or setpoint.release else watts
                self.ceiling[at] = np.inf if ceiling is None or setpoint.release else ceiling
            deliveries.append(
                Delivery(device_id=setpoint.device_id, outcome=outcome, at=now, setpoint=setpoint, attempts=3)
            )
        return deliveries
