"""Portfolios as somebody enrolled them, kept in the store, and their status from the fleet as it is now.

Implements operator.areas.portfolios.PortfolioPort. An asset whose id is a device's is looked at in the fleet; caps are
those of the groups, programs those of our VENs. Owns the records; the sums are aggregation.portfolio's.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gridiface.aggregation.engine import Engine
from gridiface.aggregation.portfolio import (
    Asset,
    AssetState,
    AssetType,
    EnrolmentRules,
    ExportCap,
    Portfolio,
    ProgramEnrolment,
    SocPolicy,
    enrolments,
    parse_portfolio,
    portfolio_status,
)
from gridiface.app.config.enrolment import EnrolmentProgram
from gridiface.app.config.market_file import markets_of
from gridiface.app.config.model import Config
from gridiface.domain.changes import Change, DeleteDocument, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlState, Target, TargetKind
from gridiface.domain.envelope import Cause, FleetChanged, Sure
from gridiface.domain.ports import Ledger
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.domain.timeline import state_at

SPACE = "app/portfolio"

#: How often the envelope is begun anew because devices came or went.
_TRIES = 3

_ONLINE = frozenset({Quality.GOOD, Quality.ESTIMATED})


class PortfolioDesk:
    """The portfolios of one installation. Call `load` before the first question.

    Raises:
        ConfigError: see `markets_of`.
    """

    def __init__(self, ledger: Ledger, engine: Engine, config: Config) -> None:
        self._ledger, self._engine, self._config = ledger, engine, config
        self._kept: dict[str, dict[str, Any]] = {}
        #: The ids of each portfolio's assets, and which of them are names that mean the same in every portfolio.
        self._ids: dict[str, frozenset[str]] = {}
        self._named: dict[str, frozenset[str]] = {}
        self._markets = markets_of(config.markets)

    async def load(self) -> None:
        """Read the portfolios.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        for document in await self._ledger.documents(SPACE):
            self._keep(document.key, json.loads(document.body))

    def names(self) -> Mapping[str, str]:
        """What each portfolio is called, by id."""
        return {name: str(body["name"]) for name, body in self._kept.items()}

    def one(self, name: str) -> Mapping[str, Any] | None:
        """One portfolio as it was written, or None."""
        body = self._kept.get(name)
        return None if body is None else {"id": name, **body}

    async def put(self, name: str, body: Mapping[str, Any], *, along: Sequence[Change]) -> None:
        """Make or replace a portfolio.

        Raises:
            RemoteProtocolError: 422, an id stands twice or a number is out of range.
            StoreUnavailable: nothing was changed.
        """
        parse_portfolio(body, name)
        await self._ledger.commit([PutDocument(SPACE, name, json.dumps(body, sort_keys=True).encode()), *along])
        self._keep(name, body)

    async def remove(self, name: str, *, along: Sequence[Change]) -> None:
        """Take a portfolio away.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        await self._ledger.commit([DeleteDocument(SPACE, name), *along])
        for kept in (self._kept, self._ids, self._named):
            kept.pop(name, None)

    def _keep(self, name: str, body: Mapping[str, Any]) -> None:
        ids = [str(asset["id"]) for asset in body["assets"]]
        self._kept[name], self._ids[name] = dict(body), frozenset(ids)
        # The others are called by their number in the list.
        self._named[name] = frozenset(one for number, one in enumerate(ids, start=1) if one != str(number))

    async def status(self, name: str, now: Instant) -> Mapping[str, Any]:
        """Sure capacity, programs, caps, markets of a portfolio that is there.

        Raises:
            FleetChanged: devices came or went, again and again.
        """
        portfolio, policy = parse_portfolio(self._kept[name], name), SocPolicy()
        sure = await self._sure([asset.id for asset in portfolio.assets], now + policy.hold_hours * 3600.0, now)
        found = portfolio_status(
            portfolio,
            dict(self._states(portfolio, sure)),
            self._markets,
            now,
            caps=list(self._caps(sure)),
            programs=list(self._programs(now)),
            also_in=self._also_in(name, portfolio),
            policy=policy,
        )
        return found.as_json()

    async def _sure(self, ids: Sequence[str], until: Instant, now: Instant) -> Sure:
        """The least of what the fleet's envelope counts on until then.

        Raises:
            FleetChanged: devices came or went, again and again.
        """
        for again in reversed(range(_TRIES)):
            most, held, caps = dict[str, float](), dict[str, Cause | None](), dict[str, float]()
            try:
                for each in self._engine.sure(ids, until, now):
                    for name, watts in each.most_w.items():
                        if watts < most.get(name, math.inf):
                            most[name], held[name] = watts, each.held.get(name)
                    caps |= {name: min(watts, caps.get(name, watts)) for name, watts in each.caps_w.items()}
                    await asyncio.sleep(0)  # of thousands of devices each is some milliseconds' work
            except FleetChanged:
                if not again:
                    raise
            else:
                break
        return Sure(most, {name: cause for name, cause in held.items() if cause is not None}, caps)

    def _also_in(self, name: str, portfolio: Portfolio) -> dict[str, tuple[str, ...]]:
        """In which other portfolios each asset is, too: by its name, or as a device of the fleet."""
        mine = {asset.id for asset in portfolio.assets}
        found: dict[str, tuple[str, ...]] = {}
        for other in sorted(self._ids.keys() - {name}):
            for one in sorted(mine & self._ids[other]):
                if one in self._named[name] & self._named[other] or self._engine.device(one) is not None:
                    found[one] = (*found.get(one, ()), other)
        return found

    def qualification(self, name: str, now: Instant) -> Mapping[str, Any]:
        """Which assets of a portfolio that is there fit the configured programs, and what the others fail."""
        portfolio = parse_portfolio(self._kept[name], name)
        found = enrolments(portfolio.assets, [_rules(one) for one in self._config.enrolment], self._in_programs(now))
        programs = [{**asdict(one), "refused": [asdict(each) for each in one.refused]} for one in found]
        return {"id": portfolio.id, "name": portfolio.name, "computed": now, "programs": programs}

    def _in_programs(self, now: Instant) -> dict[str, frozenset[str]]:
        """Assets that are in each program already, by its name."""
        found: dict[str, frozenset[str]] = {}
        for one in [*self._programs(now), *self._reserved(self._running(now))]:
            found[one.program] = found.get(one.program, frozenset()) | one.asset_ids
        return found

    def _states(self, portfolio: Portfolio, sure: Sure) -> Iterator[tuple[str, AssetState]]:
        for asset in portfolio.assets:
            snapshot = self._engine.snapshot(Target(TargetKind.DEVICE, asset.id))
            if snapshot is not None:
                yield asset.id, _state(asset, snapshot, sure)

    def _caps(self, sure: Sure) -> Iterator[ExportCap]:
        """Those of the groups, and what controls and schedules limit them to while the power must be held."""
        for group in self._engine.groups():
            most = min(
                math.inf if group.max_export_w is None else group.max_export_w, sure.caps_w.get(group.id, math.inf)
            )
            if math.isfinite(most):
                members = frozenset(self._engine.members(group.id))
                yield ExportCap(name=group.id, asset_ids=members, max_export_kw=max(0.0, most) / 1000)

    def _running(self, now: Instant) -> frozenset[tuple[str, str]]:
        """Protocol and program of each control that is active."""
        return frozenset(
            (control.source.protocol, control.source.program)
            for control in self._engine.controls()
            if state_at(control, now) is ControlState.ACTIVE
        )

    def _programs(self, now: Instant) -> Iterator[ProgramEnrolment]:
        """Our VENs' programs, and those to which parts are reserved; one of both kinds once."""
        block, running = self._config.openadr, self._running(now)
        reserved = {one.program: one for one in self._reserved(running)}
        for ven in () if block is None else block.vens:
            for program in ven.programs:
                ids = [program.device] if program.group is None else self._engine.members(program.group)
                inside = frozenset(name for name in ids if name is not None)
                context = program.market_context
                keys = [key for key in (f"openadr:{context}", context) if context and key in reserved]
                own = reserved.pop(keys[0]) if keys else None
                yield ProgramEnrolment(
                    program=context or ven.name,
                    asset_ids=inside if own is None else inside | own.asset_ids,
                    parts={} if own is None else own.parts,
                    active=("openadr", context) in running,
                )
        yield from reserved.values()

    def _reserved(self, running: Collection[tuple[str, str]]) -> Iterator[ProgramEnrolment]:
        """Programs to which a part of a group or a device is reserved: that takes part in them."""
        shared = [(group.shares, self._engine.members(group.id)) for group in self._engine.groups()]
        shared += [(device.shares, (device.id,)) for device in self._engine.devices() if device.shares]
        found: dict[str, dict[str, float]] = {}
        for shares, members in shared:
            for key, part in shares.items():
                parts = found.setdefault(key, {})
                parts.update({name: max(part, parts.get(name, 0.0)) for name in members})
        for key, parts in found.items():
            names = {name for protocol, program in running for name in (protocol, program, f"{protocol}:{program}")}
            yield ProgramEnrolment(program=key, asset_ids=frozenset(parts), parts=parts, active=key in names)


def _rules(program: EnrolmentProgram) -> EnrolmentRules:
    return EnrolmentRules(
        program=program.program,
        asset_types=frozenset(AssetType(one) for one in program.asset_types),
        zips=program.zips,
        min_kw=program.min_kw,
        max_kw=program.max_kw,
        min_hours=program.min_hours,
        metering_interval_s=program.metering_interval_s,
        exclusive_with=frozenset(program.exclusive_with),
    )


def _state(asset: Asset, snapshot: Snapshot, sure: Sure) -> AssetState:
    """What is known of an asset. Of a load, what it can take less; of others, what they can deliver in all."""
    now_w = snapshot.w or 0.0
    beside_w = now_w if asset.asset_type is AssetType.LOAD else 0.0
    room, most_w = snapshot.available_up_w, sure.most_w.get(asset.id)
    # A device that does not count in the fleet is not there to be asked.
    counted_kw = 0.0 if most_w is None else (most_w - beside_w) / 1000
    return AssetState(
        asset_id=asset.id,
        observed=snapshot.received,
        online=snapshot.quality in _ONLINE,
        soc=snapshot.soc,
        available_kw=counted_kw if room is None else (room + now_w - beside_w) / 1000,
        counted_kw=counted_kw,
        held=str(sure.held.get(asset.id, "rating")),
    )
