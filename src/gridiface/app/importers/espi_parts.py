"""Readings of one direction of a Green Button usage point that are parts of one whole: of phases, of tariff tiers.

Owns which of them count: the whole where it is there, else all parts together. Does not read XML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gridiface.aggregation.settlement.series import CODE, QUALITIES
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import Quality

#: start -> (W, quality).
Values = dict[Instant, tuple[float, Quality]]

#: PhaseCode of a single conductor: A, B, C and the two of a split phase, with and without neutral.
SINGLE = frozenset({128, 129, 64, 65, 32, 33, 512, 528, 256, 272})


class Part(NamedTuple):
    """Which part: ReadingType's phase and tou; 0: it does not say, so it is the whole."""

    phase: int = 0
    tier: int = 0


def whole(parts: Mapping[Part, Values], what: str) -> tuple[dict[Part, Values], list[str]]:
    """Of the parts of one direction those that make up the whole, tiers added up; what was left out, in words.

    What is left are single phases, all of which belong to each interval (`together`), or one whole.
    """
    notes: list[str] = []
    found: dict[Part, Values] = {}
    for phase in sorted({part.phase for part in parts}):
        tiers = {part.tier: values for part, values in parts.items() if part.phase == phase}
        if 0 in tiers and len(tiers) > 1:
            notes.append(f"readings of tariff tiers of {what} are left out beside those of all tiers")
            tiers = {0: tiers[0]}
        found[Part(phase)] = _tiers(list(tiers.values()))
    wholes = [part for part in found if part.phase not in SINGLE]
    if wholes and len(found) > 1:
        notes.append(f"readings of single phases of {what} are left out beside those of all")
        return {wholes[0]: found[wholes[0]]}, notes
    return found, notes


def _tiers(parts: Sequence[Values]) -> Values:
    """Tiers follow each other: each has intervals of its own, or nothing in those of the others."""
    if len(parts) == 1:
        return parts[0]
    return {at: _sum([values[at] for values in parts if at in values]) for at in sorted(set().union(*parts))}


def together(parts: Sequence[Values]) -> Values:
    """Directions, or phases, added up; an interval that one of them lacks is missing."""
    common = set(parts[0]).intersection(*parts[1:]) if parts else set()
    return {at: _sum([values[at] for values in parts]) for at in sorted(common)}


def _sum(found: Sequence[tuple[float, Quality]]) -> tuple[float, Quality]:
    return math.fsum(w for w, _ in found), QUALITIES[max(CODE[quality] for _, quality in found)]
