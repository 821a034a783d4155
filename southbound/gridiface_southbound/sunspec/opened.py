"""What opening found of one SunSpec device, and what of it is read at each poll. Not owned: reading (driver)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import DeviceKind, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import DeviceRejected
from gridiface_southbound.sunspec import meter, telemetry
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.controls import Controls
from gridiface_southbound.sunspec.functions import Ratings
from gridiface_southbound.sunspec.hot import HotPower
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
