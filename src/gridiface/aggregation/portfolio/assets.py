"""Assets of a portfolio: what is enrolled, what is known of it now, and the power it can surely give. Pure.

kW and kWh as on the REST interface, magnitudes: what an asset can deliver to the grid, or take less from it. The lower
bound trusts only telemetry: an asset of which nothing is known counts as nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.errors import RemoteProtocolError

#: Most assets of one portfolio that the REST interface takes.
MOST_ASSETS = 100_000
_UNPROCESSABLE = 422
_ZIP = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{1,11}")


class AssetType(StrEnum):
    """What an asset is."""

    BATTERY = "battery"
    EV = "ev"
    PV = "pv"
    PV_BATTERY = "pv_battery"
    GENERATOR = "generator"
    LOAD = "load"
    OTHER = "other"


#: Types whose power ends when a store is empty.
STORING = frozenset({AssetType.BATTERY, AssetType.EV, AssetType.PV_BATTERY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One enrolled asset.

    Attributes:
        id: unique in the portfolio; the device's id where it is a member of the fleet.
        asset_type: what it is.
        zip: postal code of where it is.
        capacity_kwh: usable energy; 0 for what stores nothing.
        max_discharge_kw: the most it delivers, or takes less.
        metering_interval_s: of its revenue meter, s; None = unknown.
        soc_min: state of charge below which it does not discharge, 0..1.
    """

    id: str
    asset_type: AssetType
    zip: str
    capacity_kwh: float
    max_discharge_kw: float
    metering_interval_s: float | None = None
    soc_min: float = 0.0

    def sustained_kw(self, hours: float) -> float:
        """The power it holds for that long from full, kW: what its size alone promises."""
        if self.asset_type not in STORING or hours <= 0:
            return self.max_discharge_kw
        return min(self.max_discharge_kw, self.capacity_kwh * max(0.0, 1.0 - self.soc_min) / hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetState:
    """What was last heard of an asset; None = unknown.

    Attributes:
        asset_id: whose.
        observed: when, by our clock.
        online: whether it can be commanded.
        soc: state of charge, 0..1.
        available_kw: for what stores nothing, the power it can deliver, or shed, now.
        counted_kw: what the fleet's envelope counts on while the power must be held; below 0: it must take power.
        held: why that is less than its rating, a word of `domain.envelope.Cause`; empty: it is not.
    """

    asset_id: str
    observed: Instant
    online: bool = True
    soc: float | None = None
    available_kw: float | None = None
    counted_kw: float | None = None
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocPolicy:
    """How much of a reported state of charge is trusted.

    Attributes:
        uncertainty: taken off every report, 0..1 (the engine flags an asset at a residual of 0.05).
        drift_per_hour: taken off for each hour since the report, 0..1.
        lost_after_s: a report older than this counts as none, s.
        hold_hours: how long the power must be held, h.
    """

    uncertainty: float = 0.05
    drift_per_hour: float = 0.1
    lost_after_s: float = 3600.0
    hold_hours: float = 1.0

    def floor_kw(self, asset: Asset, state: AssetState | None, now: Instant) -> float:
        """The power that the asset can surely give for `hold_hours`, kW; 0 where nothing recent is known."""
        power = self.alone_kw(asset, state, now)
        counted = None if state is None else state.counted_kw
        return power if counted is None else min(power, max(0.0, counted))

    def alone_kw(self, asset: Asset, state: AssetState | None, now: Instant) -> float:
        """The same by its size and charge alone, kW: nothing that begins or ends meanwhile is looked at."""
        if state is None or not state.online or now - state.observed > self.lost_after_s:
            return 0.0
        if asset.asset_type not in STORING:
            return min(asset.max_discharge_kw, max(0.0, state.available_kw or 0.0))
        if state.soc is None:
            return 0.0
        age_hours = max(0.0, now - state.observed) / 3600.0
        sure = state.soc - self.uncertainty - self.drift_per_hour * age_hours
        energy = asset.capacity_kwh * max(0.0, min(1.0, sure) - asset.soc_min)
        power = energy / self.hold_hours if self.hold_hours > 0 else asset.max_discharge_kw
        return min(asset.max_discharge_kw, power)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """A named set of assets, as `POST /api/v1/portfolios` makes it."""

    id: str
    name: str
    assets: tuple[Asset, ...]


def parse_portfolio(body: object, portfolio_id: str) -> Portfolio:
    """The portfolio of a POST body `{name, assets: [{asset_type, zip, capacity_kwh, max_discharge_kw}]}`.

    An asset may also carry `id` (default: its number), `metering_interval_s` and `soc_min`. Unknown keys are errors.

    Args:
        body: decoded JSON.
        portfolio_id: chosen by the caller.

    Raises:
        RemoteProtocolError: answer 422; the reason names the place and the fix.
    """
    fields = _mapping(body, "the body", required=("name", "assets"), optional=())
    name = fields["name"]
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 200:
        raise _refused("name", "a text of 1 to 200 characters")
    assets = fields["assets"]
    if not isinstance(assets, Sequence) or isinstance(assets, str) or not 1 <= len(assets) <= MOST_ASSETS:
        raise _refused("assets", f"a list of 1 to {MOST_ASSETS} assets")
    parsed = tuple(_asset(entry, number) for number, entry in enumerate(assets))
    seen: set[str] = set()
    for number, asset in enumerate(parsed):
        if asset.id in seen:
            raise _refused(f"assets[{number}].id", f"an id of its own; {asset.id!r} is used twice")
        seen.add(asset.id)
    return Portfolio(id=portfolio_id, name=name.strip(), assets=parsed)


def _asset(entry: object, number: int) -> Asset:
    place = f"assets[{number}]"
    required = ("asset_type", "zip", "capacity_kwh", "max_discharge_kw")
    fields = _mapping(entry, place, required=required, optional=("id", "metering_interval_s", "soc_min"))
    kinds = [kind.value for kind in AssetType]
    if fields["asset_type"] not in kinds:
        raise _refused(f"{place}.asset_type", f"one of {', '.join(kinds)}")
    code = fields["zip"]
    if not isinstance(code, str) or not _ZIP.fullmatch(code):
        raise _refused(f"{place}.zip", 'a postal code as text, for example "94105"')
    name = fields.get("id", str(number + 1))
    if not isinstance(name, str) or not 1 <= len(name) <= 64:
        raise _refused(f"{place}.id", "a text of 1 to 64 characters")
    interval = fields.get("metering_interval_s")
    return Asset(
        id=name,
        asset_type=AssetType(fields["asset_type"]),
        zip=code,
        capacity_kwh=_number(fields["capacity_kwh"], f"{place}.capacity_kwh", 1e7),
        max_discharge_kw=_number(fields["max_discharge_kw"], f"{place}.max_discharge_kw", 1e7),
        metering_interval_s=None if interval is None else _number(interval, f"{place}.metering_interval_s", 86_400),
        soc_min=_number(fields.get("soc_min", 0.0), f"{place}.soc_min", 1.0),
    )


def _mapping(value: object, place: str, *, required: Sequence[str], optional: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refused(place, f"an object with {', '.join(required)}")
    missing = [key for key in required if key not in value]
    if missing:
        raise _refused(place, f"the key {missing[0]!r}")
    known = (*required, *optional)
    strange = [str(key)[:60] for key in value if key not in known]
    if strange:
        raise _refused(f"{place}.{strange[0]}", f"no such key; there are {', '.join(known)}")
    return value


def _number(value: object, place: str, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refused(place, f"a number from 0 to {most:g}")
    # Compared before it becomes a float: an integer from JSON may be larger than any float.
    if not 0 <= value <= most or not math.isfinite(value):
        raise _refused(place, f"a number from 0 to {most:g}")
    return float(value)


def _refused(place: str, wanted: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{place}: must have {wanted}", answer=_UNPROCESSABLE)
