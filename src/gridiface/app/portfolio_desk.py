"""Portfolios as somebody enrolled them, kept in the store, and their status from the fleet as it is now.

Implements operator.areas.portfolios.PortfolioPort. An asset whose id is a device's is looked at in the fleet; caps are
those of the groups, programs those of our VENs. Owns the records; the sums are aggregation.portfolio's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gridiface.aggregation.engine import Engine
from gridiface.aggregation.portfolio import (
    AssetState,
    AssetType,
    EnrolmentRules,
    ExportCap,
    Portfolio,
    ProgramEnrolment,
    enrolments,
    parse_portfolio,
    portfolio_status,
)
from gridiface.app.config.enrolment import EnrolmentProgram
from gridiface.app.config.model import Config
from gridiface.app.market_file import markets_of
from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlState, Target, TargetKind
from gridiface.domain.ports import Change, DeleteDocument, Ledger, PutDocument
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.domain.timeline import state_at

SPACE = "app/portfolio"

_ONLINE = frozenset({Quality.GOOD, Quality.ESTIMATED})


class PortfolioDesk:
    """The portfolios of one installation. Call `load` before the first question.

    Raises:
        ConfigError: see `markets_of`.
    """

    def __init__(self, ledger: Ledger, engine: Engine, config: Config) -> None:
        self._ledger, self._engine, self._config = ledger, engine, config
        self._kept: dict[str, dict[str, Any]] = {}
        self._markets = markets_of(config.markets)

    async def load(self) -> None:
        """Read the portfolios.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        self._kept = {document.key: json.loads(document.body) for document in await self._ledger.documents(SPACE)}

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
        self._kept[name] = dict(body)

    async def remove(self, name: str, *, along: Sequence[Change]) -> None:
        """Take a portfolio away.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        await self._ledger.commit([DeleteDocument(SPACE, name), *along])
        self._kept.pop(name, None)

    def status(self, name: str, now: Instant) -> Mapping[str, Any]:
        """Sure capacity, programs, caps, markets of a portfolio that is there."""
        portfolio = parse_portfolio(self._kept[name], name)
        found = portfolio_status(
            portfolio,
            dict(self._states(portfolio)),
            self._markets,
            now,
            caps=list(self._caps()),
            programs=list(self._programs(now)),
        )
        return found.as_json()

    def qualification(self, name: str, now: Instant) -> Mapping[str, Any]:
        """Which assets of a portfolio that is there fit the configured programs, and what the others fail."""
        portfolio = parse_portfolio(self._kept[name], name)
        found = enrolments(portfolio.assets, [_rules(one) for one in self._config.enrolment], self._in_programs(now))
        programs = [{**asdict(one), "refused": [asdict(each) for each in one.refused]} for one in found]
        return {"id": portfolio.id, "name": portfolio.name, "computed": now, "programs": programs}

    def _in_programs(self, now: Instant) -> dict[str, frozenset[str]]:
        """Assets that are in each program already, by its name."""
        found: dict[str, frozenset[str]] = {}
        for one in self._programs(now):
            found[one.program] = found.get(one.program, frozenset()) | one.asset_ids
        return found

    def _states(self, portfolio: Portfolio) -> Iterator[tuple[str, AssetState]]:
        for asset in portfolio.assets:
            snapshot = self._engine.snapshot(Target(TargetKind.DEVICE, asset.id))
            if snapshot is not None:
                yield asset.id, _state(asset.id, snapshot)

    def _caps(self) -> Iterator[ExportCap]:
        for group in self._engine.groups():
            if group.max_export_w is not None:
                members = frozenset(self._engine.members(group.id))
                yield ExportCap(name=group.id, asset_ids=members, max_export_kw=group.max_export_w / 1000)

    def _programs(self, now: Instant) -> Iterator[ProgramEnrolment]:
        block = self._config.openadr
        running = {
            (control.source.protocol, control.source.program)
            for control in self._engine.controls()
            if state_at(control, now) is ControlState.ACTIVE
        }
        for ven in () if block is None else block.vens:
            for program in ven.programs:
                ids = [program.device] if program.group is None else self._engine.members(program.group)
                yield ProgramEnrolment(
                    program=program.market_context or ven.name,
                    asset_ids=frozenset(name for name in ids if name is not None),
                    active=("openadr", program.market_context) in running,
                )
        yield from self._reserved(running)

    def _reserved(self, running: Collection[tuple[str, str]]) -> Iterator[ProgramEnrolment]:
        """Programs to which a part of a group or a device is reserved: that takes part in them."""
        parts = [(group.shares, self._engine.members(group.id)) for group in self._engine.groups()]
        parts += [(device.shares, (device.id,)) for device in self._engine.devices() if device.shares]
        found: dict[str, frozenset[str]] = {}
        for shares, members in parts:
            for key in shares:
                found[key] = found.get(key, frozenset()) | frozenset(members)
        for key, inside in found.items():
            names = {name for protocol, program in running for name in (protocol, program, f"{protocol}:{program}")}
            yield ProgramEnrolment(program=key, asset_ids=inside, active=key in names)


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


def _state(name: str, snapshot: Snapshot) -> AssetState:
    return AssetState(
        asset_id=name,
        observed=snapshot.received,
        online=snapshot.quality in _ONLINE,
        soc=snapshot.soc,
        available_kw=None if snapshot.available_up_w is None else snapshot.available_up_w / 1000,
    )
