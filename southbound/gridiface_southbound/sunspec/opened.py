"""What opening found of one SunSpec device, made of its blocks, and what of it is read at each poll.

Not owned: reading (driver).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Capability, DeviceKind, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import DeviceRejected
from gridiface_southbound.sunspec import meter, telemetry
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.controls import CONTROL_MODELS, ControlOptions, Controls
from gridiface_southbound.sunspec.functions import Ratings
from gridiface_southbound.sunspec.hot import HotPower
from gridiface_southbound.sunspec.memory import Memory
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.scan import DeviceMap, ModelPlace

#: Blocks read at each poll; of 701 only the numbers (the alarm text behind them would cost a second request).
POLLED_MODELS = (701, *telemetry.INVERTER_MODELS, 713, 715, 122, 124, 802)


@dataclass(slots=True)
class Opened:
    """One open device.

    Attributes:
        steady: models whose scale factors need not be read before each write.
        meter: the model of a device that is a meter and nothing else.
    """

    map: DeviceMap
    blocks: dict[int, Block]
    nameplate: Nameplate
    settings: Settings
    ratings: Ratings
    kind: DeviceKind
    controls: Controls
    steady: frozenset[int]
    meter: ModelPlace | None = None
    hot: HotPower | None = None

    @property
    def polled(self) -> list[ModelPlace]:
        """The models that are read at each poll."""
        if self.meter is not None:
            return [self.meter]
        return [place for m in POLLED_MODELS if (place := self.map.first(m)) is not None]

    def snapshot(self, device_id: str, blocks: dict[int, Block], config: SunSpecConfig, *, now: Instant) -> Snapshot:
        """What the polled blocks say.

        Raises:
            DeviceRejected: they have no measurements.
        """
        if self.meter is not None:
            if self.meter.id not in blocks:
                raise DeviceRejected(f"the meter's model {self.meter.id} cannot be read", device_id=device_id)
            return meter.snapshot(device_id, blocks[self.meter.id], config, now=now)
        if not any(model_id in blocks for model_id in (701, *telemetry.INVERTER_MODELS)):
            raise DeviceRejected("the device has no readable measurements (701, 101-113)", device_id=device_id)
        return telemetry.snapshot(device_id, blocks, self.ratings, self.nameplate.energy_wh, now=now)

    def rescaled(self, after: Mapping[int, Block]) -> bool:
        """Whether scale factors of these models are others than before."""
        return any(block.scales() != self.blocks[model_id].scales() for model_id, block in after.items())


def learned(
    found: DeviceMap,
    blocks: dict[int, Block],
    before: Memory,
    config: SunSpecConfig,
    *,
    single: bool,
    able: frozenset[Capability],
    now: Instant,
) -> Opened:
    """A device that can be told something. `single`: one register at a time; `able`: besides what its controls are.

    Raises:
        DeviceRejected: it tells no rating, and none is configured.
    """
    plate = telemetry.nameplate(blocks, frozenset(), rating_w=config.rating_w)
    before.belongs_to(plate.serial)
    setting = telemetry.settings(blocks, now=now)
    limits = telemetry.ratings(plate, setting, telemetry.kind_of(blocks))
    controls = controls_of(blocks, limits, before, config, single=single)
    plate = telemetry.nameplate(blocks, controls.capabilities | able, rating_w=config.rating_w)
    fixed = config.scale_factors == "fixed"
    steady = frozenset(m for m, block in blocks.items() if fixed or block.model.scales_static)
    return Opened(found, blocks, plate, setting, limits, telemetry.kind_of(blocks), controls, steady)


def metered(found: DeviceMap, blocks: dict[int, Block], place: ModelPlace, config: SunSpecConfig) -> Opened:
    """A meter and nothing else."""
    plate = meter.nameplate(blocks, config)
    limits = Ratings(max_w=0.0)
    controls = Controls({}, limits, ControlOptions())
    held = (found, blocks, plate, Settings(), limits, DeviceKind.METER, controls)
    return Opened(*held, frozenset(), meter=place)


def controls_of(
    blocks: Mapping[int, Block], limits: Ratings, before: Memory, config: SunSpecConfig, *, single: bool
) -> Controls:
    """The control functions in a device's blocks."""
    found = {m: blocks[m] for m in CONTROL_MODELS if m in blocks}
    return Controls(found, limits, ControlOptions.of(config, single=single), before.values)
