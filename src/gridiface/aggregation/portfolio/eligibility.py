"""Market thresholds as data, and what an aggregation lacks to meet them. Pure; the data file is part of the package."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

from gridiface.aggregation.portfolio.assets import Asset
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError

_NUMBER = (int, float)

#: Sums of kW are as exact as floats are: what lacks or exceeds less than a milliwatt does neither.
_EXACT_KW = 1e-6
_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "name": str,
    "source": str,
    "checked": date,
    "min_aggregation_kw": _NUMBER,
    "max_aggregation_kw": _NUMBER,
    "min_resource_kw": _NUMBER,
    "max_resource_kw": _NUMBER,
    "metering_interval_s": _NUMBER,
    "duration_h": _NUMBER,
}
_REQUIRED = ("id", "name", "source", "checked", "min_aggregation_kw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The thresholds of one market; None = it has none. kW, s, h."""

    id: str
    name: str
    source: str
    checked: date
    min_aggregation_kw: float
    max_aggregation_kw: float | None = None
    min_resource_kw: float | None = None
    max_resource_kw: float | None = None
    metering_interval_s: float | None = None
    duration_h: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Markets:
    """A data file: its markets, and after how many days an entry should be looked at again."""

    markets: tuple[Market, ...]
    stale_after_days: int = 400


def parse_markets(text: str, name: str = "eligibility.toml") -> Markets:
    """The markets of a TOML text.

    Raises:
        ConfigError: not TOML, a key is unknown, missing or of the wrong kind; the text names file and place.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise ConfigError(f"{name}: not valid TOML: {problem}") from problem
    strange = sorted(set(data) - {"market", "stale_after_days"})
    entries = data.get("market", [])
    stale = data.get("stale_after_days", 400)
    if strange:
        raise ConfigError(f"{name}: {strange[0]}: unknown key; there are market, stale_after_days")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{name}: market: must be a list of tables; write [[market]] above each")
    if isinstance(stale, bool) or not isinstance(stale, int) or stale < 1:
        raise ConfigError(f"{name}: stale_after_days: must be a whole number of days, 1 or more")
    markets = tuple(_market(entry, f"{name}: market[{number}]") for number, entry in enumerate(entries))
    names = [market.id for market in markets]
    if len(set(names)) != len(names):
        raise ConfigError(f"{name}: market: an id is used twice; give each market its own")
    return Markets(markets=markets, stale_after_days=stale)


@lru_cache(maxsize=1)
def bundled_markets() -> Markets:
    """The markets that come with the package."""
    return parse_markets(files(__package__).joinpath("eligibility.toml").read_text(encoding="utf-8"))


def _market(entry: Mapping[str, Any], place: str) -> Market:
    for key, value in entry.items():
        if key not in _KEYS:
            raise ConfigError(f"{place}.{key}: unknown key; there are {', '.join(_KEYS)}")
        kind = _KEYS[key]
        if isinstance(value, (bool, datetime)) or not isinstance(value, kind):
            raise ConfigError(f"{place}.{key}: has the wrong kind of value ({value!r:.60})")
        if isinstance(value, (int, float)) and not (value >= 0 and math.isfinite(value)):
            raise ConfigError(f"{place}.{key}: must be a number of 0 or more")
    missing = [key for key in _REQUIRED if key not in entry]
    if missing:
        raise ConfigError(f"{place}.{missing[0]}: missing; add it")
    return Market(**entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One threshold against what is there. `unit` names both numbers; `wanted` None where nothing is asked."""

    rule: str
    wanted: float | None
    found: float | None
    unit: str
    ok: bool
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """How a portfolio stands with one market.

    Attributes:
        market_id, name, source, checked: from the data file.
        stale: whether the entry is older than the file allows.
        eligible: whether every check holds.
        qualified_kw: of the assets that fit, the power held for the market's duration.
        gap_kw: what is missing to the least size, kW; 0 where it is met.
        incremental_assets: how many more assets of the present mean size close the gap; None where none fits yet.
        left_out: assets that do not fit, or are in another portfolio, too, by id.
        checks: each threshold.
    """

    market_id: str
    name: str
    source: str
    checked: str
    stale: bool
    eligible: bool
    qualified_kw: float
    gap_kw: float
    incremental_assets: int | None
    left_out: tuple[str, ...]
    checks: tuple[Check, ...]


def _all(powers: Mapping[str, float]) -> float:
    return math.fsum(powers.values())


def eligibility(
    assets: Sequence[Asset],
    market: Market,
    now: Instant,
    *,
    let_through: Callable[[Mapping[str, float]], float] = _all,
    elsewhere: Collection[str] = (),
    stale_after_days: int = 400,
) -> Eligibility:
    """Whether the assets together meet a market's thresholds, and what is lacking.

    Assets that a rule on single resources excludes are left out first. An unknown metering interval does not fit.

    Args:
        assets: the portfolio's.
        market: its thresholds.
        now: to tell an old entry.
        elsewhere: ids of those that are in another aggregation, too: nobody can sell them twice, so neither counts
            them.
        let_through: what interconnections let through of powers by asset id, kW.
        stale_after_days: age from which an entry counts as old.
    """
    alone = [asset for asset in assets if asset.id not in elsewhere]
    fitting = [asset for asset in alone if not _misfit(asset, market)]
    held = {asset.id: asset.sustained_kw(market.duration_h) for asset in fitting}
    powers, qualified = list(held.values()), let_through(held)
    missing = market.min_aggregation_kw - qualified
    gap = missing if missing > _EXACT_KW else 0.0
    mean = math.fsum(powers) / len(powers) if powers else 0.0
    more = 0 if gap <= 0 else math.ceil(gap / mean - 1e-9) if mean > 0 else None
    capped = gap > 0 and math.fsum(powers) > qualified + _EXACT_KW
    checks = tuple(_checks(market, alone, qualified, gap, capped=capped))
    if len(alone) < len(assets):
        checks = (*checks, _twice(len(assets) - len(alone)))
    age = (datetime.fromtimestamp(now, UTC).date() - market.checked).days
    return Eligibility(
        market_id=market.id,
        name=market.name,
        source=market.source,
        checked=market.checked.isoformat(),
        stale=age > stale_after_days,
        eligible=bool(fitting) and all(check.ok for check in checks if check.rule in _AGGREGATION),
        qualified_kw=qualified,
        gap_kw=gap,
        incremental_assets=None if capped else more,
        left_out=tuple(asset.id for asset in assets if asset.id in elsewhere or _misfit(asset, market)),
        checks=checks,
    )


#: Rules on the whole; the others only take single assets out.
_AGGREGATION = frozenset({"min_aggregation_kw", "max_aggregation_kw"})


def _misfit(asset: Asset, market: Market) -> str:
    """The rule on single resources that excludes the asset, or nothing."""
    power = asset.max_discharge_kw
    if market.min_resource_kw is not None and power < market.min_resource_kw:
        return "min_resource_kw"
    if market.max_resource_kw is not None and power >= market.max_resource_kw:
        return "max_resource_kw"
    if market.metering_interval_s is not None and not (
        asset.metering_interval_s is not None and asset.metering_interval_s <= market.metering_interval_s
    ):
        return "metering_interval_s"
    return ""


def _twice(count: int) -> Check:
    who = "asset is" if count == 1 else "assets are"
    fix = f"left out: {count} {who} enrolled in another portfolio, too; take each out of all but one"
    return Check(rule="other_portfolio", wanted=None, found=float(count), unit="assets", ok=False, fix=fix)


def _checks(market: Market, assets: Sequence[Asset], qualified: float, gap: float, *, capped: bool) -> list[Check]:
    fix = "" if gap <= 0 else f"enrol {gap:.1f} kW more"
    if capped:
        fix = f"{gap:.1f} kW are missing behind the interconnection's cap: more assets there do not help"
    least = market.min_aggregation_kw
    found = [Check(rule="min_aggregation_kw", wanted=least, found=qualified, unit="kW", ok=gap <= 0, fix=fix)]
    most = market.max_aggregation_kw
    if most is not None:
        fits = qualified <= most + _EXACT_KW
        fix = "" if fits else f"split it: {qualified - most:.1f} kW too large"
        found.append(Check(rule="max_aggregation_kw", wanted=most, found=qualified, unit="kW", ok=fits, fix=fix))
    limits = (("min_resource_kw", "kW"), ("max_resource_kw", "kW"), ("metering_interval_s", "s"))
    for rule, unit in limits:
        wanted = getattr(market, rule)
        if wanted is not None:
            out = sum(_misfit(asset, market) == rule for asset in assets)
            who = "asset does" if out == 1 else "assets do"
            fix = "" if out == 0 else f"left out: {out} {who} not fit"
            found.append(Check(rule=rule, wanted=wanted, found=None, unit=unit, ok=out == 0, fix=fix))
    return found
