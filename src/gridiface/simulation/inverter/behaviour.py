"""How the simulated inverter behaves: client events in, writes and physics out. No I/O; time is an argument.

Follows CSIP's direct path: registration check, DER information resources, mirror, controls and their responses (those
are the client core's). Signs: + delivered.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gridiface.domain.quantities import from_power_of_ten
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.client_config import ClientConfig
from gridiface.protocols.sep2.client_events import ControlChanged, ResourceChanged, WriteDone
from gridiface.protocols.sep2.followed import ModeInForce
from gridiface.protocols.sep2.resources import DER, DERList, DeviceCapability
from gridiface.simulation.inverter import resources
from gridiface.simulation.inverter.config import InverterConfig
from gridiface.simulation.sunspec.physics import Demand, Plant, Unit


@dataclass(slots=True)
class Told:
    """What the inverter did, for whoever watches the process."""

    readings: int = 0
    refused_writes: int = 0
    controls: int = 0


class Inverter:
    """One inverter: a client core, a unit of physics, and the habits between them.

    The shell sends `client.next_requests`, hands answers in, and calls `advance(now)` after each.
    """

    def __init__(self, config: InverterConfig, *, lfdi: str, sfdi: int) -> None:
        self.config = config
        self.lfdi = lfdi
        self.told = Told()
        chance = Random(config.seed)  # noqa: S311 - jitter of polls, not a secret
        self.client = Client(
            ClientConfig(
                lfdi=lfdi,
                sfdi=sfdi,
                authority=config.server,
                pin=config.pin,
                register=config.register_in_band,
                supported=_SUPPORTED,
            ),
            chance,
        )
        plant = Plant(
            max_w=config.max_w,
            max_charge_w=config.max_charge_w,
            max_var=config.max_w,
            energy_wh=config.energy_wh,
            ramp_w_per_s=config.ramp_w_per_s,
            time_constant_s=config.time_constant_s,
            efficiency=0.97,
            noise=config.noise,
        )
        self.unit = Unit(plant, soc=config.soc, seed=config.seed)
        self._stepped: float | None = None
        self._der: DER | None = None
        self._mirror_list: str | None = None
        self._mirror: str | None = None
        self._mirror_write: int | None = None
        self._next_reading = 0.0
        self._next_status = 0.0
        self._introduced = False
        self._entering: dict[str, int] = {}

    @property
    def registered(self) -> bool:
        """Whether the server lists this inverter and its DER has been found."""
        return self._der is not None

    def advance(self, now: float) -> None:
        """Let time pass, take what the client core tells, and queue what is due."""
        if self._stepped is not None:
            self.unit.step(now - self._stepped)
        self._stepped = now
        while (event := self.client.next_event()) is not None:
            match event:
                case ResourceChanged(value=DeviceCapability() as found) if found.MirrorUsagePointListLink:
                    self._mirror_list = found.MirrorUsagePointListLink.href
                case ResourceChanged(value=DERList() as found) if found.members:
                    self._der = found.members[0]
                case ControlChanged(in_force=in_force):
                    self.told.controls += 1
                    self.unit.tell(self.demand(in_force))
                case WriteDone(outcome=outcome):
                    if outcome.number == self._mirror_write:
                        self._mirror = outcome.location if outcome.accepted else None
                        self._mirror_write = None
                    elif not outcome.accepted:
                        self.told.refused_writes += 1
                case _:
                    pass
        self._report(now)

    def next_timer(self, now: float) -> float:
        """When to come back at the latest."""
        timer = self.client.next_timer()
        due = [self._next_reading if self._mirror else now + self.config.report_s]
        return min([*due, *([timer] if timer is not None else [])])

    def demand(self, in_force: dict[str, ModeInForce]) -> Demand:
        """The modes in force as a demand on the physics."""
        values = {name: mode.value for name, mode in in_force.items()}
        power = None
        if (target := values.get("opModTargetW")) is not None:
            power = from_power_of_ten(target.value, target.multiplier)
        elif (fixed := values.get("opModFixedW")) is not None:
            base = self.config.max_charge_w if fixed < 0 else self.config.max_w
            power = base * fixed / 10_000
        ceiling = None
        if (limit := values.get("opModMaxLimW")) is not None:
            ceiling = self.config.max_w * limit / 10_000
        connected = bool(values.get("opModConnect", True)) and bool(values.get("opModEnergize", True))
        return Demand(power_w=power, ceiling_w=ceiling, connected=connected)

    def _report(self, now: float) -> None:
        time = self.client.server_time(now)
        if time is None or self._der is None:
            return
        if not self._introduced:
            self._introduce(self._der, now, time)
        elif (entering := self._told_entering()) is not None and entering != self._entering:
            self._entering = entering
            self._put_settings(self._der, now, time)
        if now >= self._next_status:
            self._next_status = now + self.config.status_s
            self._put_status(self._der, now, time)
        if self._mirror_list is not None and self._mirror is None and self._mirror_write is None:
            body = resources.mirror(self.config.name, self.lfdi)
            self._mirror_write = self.client.post(self._mirror_list, body, now)
        if self._mirror is not None and now >= self._next_reading:
            self._next_reading = now + self.config.report_s
            self.client.post(self._mirror, resources.readings(self.config.name, self.unit.measure()), now)
            self.told.readings += 1

    def _introduce(self, der: DER, now: float, time: float) -> None:
        if der.DERCapabilityLink is not None:
            self.client.put(der.DERCapabilityLink.href, resources.capability(self.config), now)
        self._put_settings(der, now, time)
        self._introduced = True

    def _put_settings(self, der: DER, now: float, time: float) -> None:
        if der.DERSettingsLink is not None:
            self.client.put(der.DERSettingsLink.href, resources.settings(self.config, time, self._entering), now)

    def _told_entering(self) -> dict[str, int] | None:
        """When it is told to return to service; None while not all default controls are known."""
        followed = self.client.devices.get(self.lfdi)
        found = None if followed is None else self.client.followers.defaults_of(followed)
        if found is None:
            return None
        return resources.entering(default for _, default in sorted(found, key=lambda one: one[0].primacy))

    def _put_status(self, der: DER, now: float, time: float) -> None:
        measured = self.unit.measure()
        if der.DERStatusLink is not None:
            body = resources.status(measured, connected=self.unit.demand.connected, time=time)
            self.client.put(der.DERStatusLink.href, body, now)
        if der.DERAvailabilityLink is not None:
            self.client.put(der.DERAvailabilityLink.href, resources.availability(self.config, measured, time), now)


_SUPPORTED = frozenset({"opModTargetW", "opModFixedW", "opModMaxLimW", "opModConnect", "opModEnergize"})
