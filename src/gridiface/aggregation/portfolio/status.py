"""The status of a portfolio: sure capacity, programs, interconnection, markets. Pure; the shape of the REST answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gridiface.aggregation.portfolio.assets import AssetState, Portfolio, SocPolicy
from gridiface.aggregation.portfolio.eligibility import Eligibility, Markets, eligibility
from gridiface.domain.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCap:
    """A cap on the power of some assets together: a feeder, a circuit, a site. Caps are nested or apart."""

    name: str
    asset_ids: frozenset[str]
    max_export_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEnrolment:
    """Assets enrolled in a program. `parts`: of whose power so much, 0..1, is reserved to it; empty: of nobody's."""

    program: str
    asset_ids: frozenset[str]
    parts: Mapping[str, float] = field(default_factory=dict)
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramStatus:
    """One program of `dr_programs`: of the portfolio's assets, how many are in it, and what they can surely give.

    `committed_kw`: of their ratings what is reserved to it, and `shortfall_kw`, what of that is not sure; None: nothing
    is reserved.
    """

    program: str
    assets: int
    committed_kw: float | None
    dispatchable_kw: float
    shortfall_kw: float | None
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """What so many assets would give by their charge, and cannot be counted on for, kW, and why.

    `cause`: a word of `domain.envelope.Cause`.
    """

    cause: str
    kw: float
    assets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CapStatus:
    """One cap of `interconnect_constraints`: what stands behind it, and what it holds back."""

    max_export_kw: float
    assets: int
    nameplate_kw: float
    withheld_kw: float
    binding: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioStatus:
    """The answer of `GET /api/v1/portfolios/{id}/status`.

    Attributes:
        id, name, computed: which, and when.
        dispatchable_capacity_kw: lower bound from conservative states of charge, within the caps, of who can be counted
            on for as long as it must be held.
        hold_h: for how long, h.
        withheld: what is left out because it cannot, the most first.
        nameplate_capacity_kw: the sum of all ratings.
        assets, observed_assets: how many, and of how many something recent is known.
        dr_programs: each program that has assets here.
        interconnect_constraints: each cap that holds assets here, by name.
        wholesale_market_eligibility: each market, by id.
        also_in: assets that are enrolled in other portfolios, too, with these; no market counts them.
    """

    id: str
    name: str
    computed: Instant
    dispatchable_capacity_kw: float
    hold_h: float
    withheld: tuple[Withheld, ...]
    nameplate_capacity_kw: float
    assets: int
    observed_assets: int
    dr_programs: tuple[ProgramStatus, ...]
    interconnect_constraints: Mapping[str, CapStatus]
    wholesale_market_eligibility: Mapping[str, Eligibility]
    also_in: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON body; tuples become lists there."""
        return asdict(self)


def portfolio_status(
    portfolio: Portfolio,
    states: Mapping[str, AssetState],
    markets: Markets,
    now: Instant,
    *,
    caps: Sequence[ExportCap] = (),
    programs: Sequence[ProgramEnrolment] = (),
    also_in: Mapping[str, tuple[str, ...]] | None = None,
    policy: SocPolicy | None = None,
) -> PortfolioStatus:
    """Put a portfolio's status together.

    Args:
        portfolio: its assets.
        states: what is known of them, by id.
        markets: from the data file.
        now: the instant it is for.
        caps: interconnection caps; ids of assets elsewhere are ignored.
        programs: enrolments; the same.
        also_in: other portfolios that an asset is enrolled in, by the asset's id.
        policy: how much reports are trusted.
    """
    policy, also_in = policy or SocPolicy(), also_in or {}
    ids = [asset.id for asset in portfolio.assets]
    known = set(ids)
    sure = {asset.id: policy.floor_kw(asset, states.get(asset.id), now) for asset in portfolio.assets}
    rated = {asset.id: asset.max_discharge_kw for asset in portfolio.assets}
    inside = [cap for cap in caps if cap.asset_ids & known]
    observed = [states[name] for name in ids if name in states]
    return PortfolioStatus(
        id=portfolio.id,
        name=portfolio.name,
        computed=now,
        dispatchable_capacity_kw=capped_kw(sure, inside),
        hold_h=policy.hold_hours,
        withheld=_withheld(portfolio, states, sure, policy, now),
        nameplate_capacity_kw=math.fsum(rated.values()),
        assets=len(ids),
        observed_assets=sum(now - state.observed <= policy.lost_after_s for state in observed),
        dr_programs=tuple(_program(program, sure, rated, inside) for program in programs if program.asset_ids & known),
        interconnect_constraints={cap.name: _cap(cap, rated) for cap in inside},
        wholesale_market_eligibility={
            market.id: eligibility(
                portfolio.assets,
                market,
                now,
                let_through=lambda powers: capped_kw(powers, inside),
                elsewhere=also_in.keys() & known,
                stale_after_days=markets.stale_after_days,
            )
            for market in markets.markets
        },
        also_in=dict(also_in),
    )


def capped_kw(powers: Mapping[str, float], caps: Sequence[ExportCap]) -> float:
    """The sum of powers within caps that are nested or apart, kW: the smallest sets are capped first."""
    pool_of: dict[str, int] = {name: number for number, name in enumerate(powers)}
    pools = dict(enumerate(powers.values()))
    ordered = sorted(caps, key=lambda cap: len(cap.asset_ids))
    for number, cap in enumerate(ordered, start=len(powers)):
        members = [name for name in cap.asset_ids if name in pool_of]
        total = math.fsum(pools.pop(held) for held in {pool_of[name] for name in members})
        pools[number] = min(cap.max_export_kw, total)
        pool_of.update(dict.fromkeys(members, number))
    return math.fsum(pools.values())


def _withheld(
    portfolio: Portfolio, states: Mapping[str, AssetState], sure: Mapping[str, float], policy: SocPolicy, now: Instant
) -> tuple[Withheld, ...]:
    """What is left out of what charge alone would allow, by cause; caps come after it."""
    lost: dict[str, list[float]] = {}
    for asset in portfolio.assets:
        state = states.get(asset.id)
        less = policy.alone_kw(asset, state, now) - sure[asset.id]
        if state is not None and less > 0.0:
            lost.setdefault(state.held, []).append(less)
    found = [Withheld(cause=cause, kw=math.fsum(each), assets=len(each)) for cause, each in lost.items()]
    return tuple(sorted(found, key=lambda one: -one.kw))


def _program(
    program: ProgramEnrolment, sure: Mapping[str, float], rated: Mapping[str, float], caps: Sequence[ExportCap]
) -> ProgramStatus:
    members = {name: power for name, power in sure.items() if name in program.asset_ids}
    reserved = [part * rated[name] for name, part in program.parts.items() if name in members]
    power, committed = capped_kw(members, caps), math.fsum(reserved) if reserved else None
    return ProgramStatus(
        program=program.program,
        assets=len(members),
        committed_kw=committed,
        dispatchable_kw=power,
        shortfall_kw=None if committed is None else max(0.0, committed - power),
        active=program.active,
    )


def _cap(cap: ExportCap, rated: Mapping[str, float]) -> CapStatus:
    total = math.fsum(power for name, power in rated.items() if name in cap.asset_ids)
    return CapStatus(
        max_export_kw=cap.max_export_kw,
        assets=len(cap.asset_ids & rated.keys()),
        nameplate_kw=total,
        withheld_kw=max(0.0, total - cap.max_export_kw),
        binding=total > cap.max_export_kw,
    )
