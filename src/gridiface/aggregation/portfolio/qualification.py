"""Whether an asset may be enrolled in a program: rules against our own record of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gridiface.aggregation.portfolio.assets import Asset, AssetType


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRules:
    """What a program asks of each asset; empty or None = anything.

    Attributes:
        program: its name.
        asset_types: types that it takes.
        zips: postal codes, or their beginnings, in which it runs.
        min_kw, max_kw: size of one asset, kW.
        min_hours: how long an asset must hold its power, h.
        metering_interval_s: longest metering interval, s.
        exclusive_with: programs in which the asset must not be; nor may one in this program be in those.
    """

    program: str
    asset_types: frozenset[AssetType] = frozenset()
    zips: tuple[str, ...] = ()
    min_kw: float = 0.0
    max_kw: float | None = None
    min_hours: float = 0.0
    metering_interval_s: float | None = None
    exclusive_with: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification:
    """The answer for one asset: every rule it fails, with what is there and what is asked."""

    asset_id: str
    program: str
    failures: tuple[str, ...] = field(default=())

    @property
    def qualified(self) -> bool:
        """Whether it may be enrolled."""
        return not self.failures


def qualify(
    asset: Asset, rules: EnrolmentRules, enrolled_in: Iterable[str] = (), excluded_by: Collection[str] = ()
) -> Qualification:
    """Check one asset against a program's rules.

    Args:
        asset: our record of it.
        rules: the program's.
        enrolled_in: programs in which the asset is already.
        excluded_by: programs whose rules exclude this one.
    """
    failures = [*_kind(asset, rules), *_size(asset, rules), *_metering(asset, rules)]
    inside = set(enrolled_in) - {rules.program}
    if conflicts := sorted(rules.exclusive_with & inside):
        failures.append(f"already in {', '.join(conflicts)}, which {rules.program} excludes")
    if conflicts := sorted(inside.intersection(excluded_by) - rules.exclusive_with):
        excludes = "excludes" if len(conflicts) == 1 else "exclude"
        failures.append(f"already in {', '.join(conflicts)}, which {excludes} {rules.program}")
    return Qualification(asset_id=asset.id, program=rules.program, failures=tuple(failures))


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One program against a set of assets.

    Attributes:
        program: its name.
        qualified: ids of the assets that may be enrolled, those that are already in it among them.
        qualified_kw: the sum of their ratings, kW.
        enrolled: ids of those that are in it already.
        refused: the others, each with every rule that it fails.
    """

    program: str
    qualified: tuple[str, ...]
    qualified_kw: float
    enrolled: tuple[str, ...]
    refused: tuple[Qualification, ...]


def enrolments(
    assets: Sequence[Asset], programs: Iterable[EnrolmentRules], inside: Mapping[str, Collection[str]]
) -> tuple[Enrolment, ...]:
    """Check assets against programs.

    Args:
        assets: our records of them.
        programs: their rules.
        inside: ids of the assets that are in each program already, by its name.
    """
    found, asked = [], tuple(programs)
    for rules in asked:
        excluded_by = {other.program for other in asked if rules.program in other.exclusive_with}
        answers = [
            qualify(asset, rules, [name for name, ids in inside.items() if asset.id in ids], excluded_by)
            for asset in assets
        ]
        fits = {answer.asset_id for answer in answers if answer.qualified}
        found.append(
            Enrolment(
                program=rules.program,
                qualified=tuple(asset.id for asset in assets if asset.id in fits),
                qualified_kw=math.fsum(asset.max_discharge_kw for asset in assets if asset.id in fits),
                enrolled=tuple(asset.id for asset in assets if asset.id in inside.get(rules.program, ())),
                refused=tuple(answer for answer in answers if not answer.qualified),
            )
        )
    return tuple(found)


def _kind(asset: Asset, rules: EnrolmentRules) -> Iterable[str]:
    if rules.asset_types and asset.asset_type not in rules.asset_types:
        yield f"is a {asset.asset_type}; the program takes {', '.join(sorted(rules.asset_types))}"
    if rules.zips and not any(asset.zip.startswith(area) for area in rules.zips):
        yield f"is at {asset.zip}, outside {', '.join(rules.zips)}"


def _size(asset: Asset, rules: EnrolmentRules) -> Iterable[str]:
    power = asset.max_discharge_kw
    if power < rules.min_kw:
        yield f"has {power:g} kW; at least {rules.min_kw:g} kW are asked"
    if rules.max_kw is not None and power > rules.max_kw:
        yield f"has {power:g} kW; at most {rules.max_kw:g} kW are taken"
    held = asset.sustained_kw(rules.min_hours)
    if rules.min_hours > 0 and held < max(rules.min_kw, 1e-9):
        yield f"holds {held:g} kW for {rules.min_hours:g} h; {rules.min_kw:g} kW are asked"


def _metering(asset: Asset, rules: EnrolmentRules) -> Iterable[str]:
    wanted = rules.metering_interval_s
    if wanted is None:
        return
    if asset.metering_interval_s is None:
        yield f"its metering interval is unknown; {wanted:g} s or shorter is asked"
    elif asset.metering_interval_s > wanted:
        yield f"is metered every {asset.metering_interval_s:g} s; {wanted:g} s or shorter is asked"
