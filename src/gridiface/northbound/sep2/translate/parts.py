"""A power that is mirrored in parts, as one quantity per direction or per phase: which parts make the whole. Pure.

A quantity over all phases is the whole of its direction. Phases make a whole together where nothing tells it: A, B and
C, or AN, BN and CN; one between two conductors is a whole by itself (a device on two of them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from gridiface.domain.clock import Instant
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import Reading
from gridiface.northbound.sep2.translate.readings import Meaning

T = TypeVar("T")

_PHASES = frozenset({Phase.A, Phase.B, Phase.C})
_TO_NEUTRAL = frozenset({Phase.AN, Phase.BN, Phase.CN})


def others_of(meaning: Meaning, beside: Iterable[tuple[Meaning, T]]) -> list[T] | None:
    """Which of the quantities beside one make a whole with it, one for each phase and direction.

    Args:
        meaning: of a power that may be a part.
        beside: the other quantities of the mirror, the first of equal ones counts.

    Returns:
        None where another quantity tells the whole, or where it is no power.
    """
    found: dict[tuple[Phase, int], T] = {}
    for other, what in beside:
        if not other.telemetry or other.quantity is not meaning.quantity:
            continue
        if other.phase is Phase.ALL and meaning.phase is not Phase.ALL:
            return None
        if _together(meaning, other):
            found.setdefault((other.phase, other.sign), what)
    return list(found.values())


def _together(one: Meaning, other: Meaning) -> bool:
    if one.phase is other.phase:
        return one.one_way and other.one_way and one.sign != other.sign
    return any({one.phase, other.phase} <= family for family in (_PHASES, _TO_NEUTRAL))


def whole(values: Iterable[Reading], others: Iterable[tuple[Mapping[Instant, float], float]]) -> list[Reading]:
    """Values of one part with those of the others at their time, or their last where there is none of that time."""
    parts = list(others)
    return [
        replace(
            each,
            value=each.value + sum(at.get(each.source_time, last) for at, last in parts),
            phase=Phase.ALL,
        )
        for each in values
    ]
