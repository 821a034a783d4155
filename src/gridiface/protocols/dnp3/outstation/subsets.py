"""The subset tables: which requests an outstation of level 1 to 4 must take, and what more ours takes.

Owns rows of data only (IEEE 1815 clause 14), for documents, claims of conformance and the test behind each row. The
levels are from memory of the standard where its text was not at hand; docs say so. Level 0 stands for what
belongs to no level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gridiface.protocols.dnp3.application import FunctionCode as F
from gridiface.protocols.dnp3.application import Qualifier


@dataclass(frozen=True, slots=True)
class SubsetRow:
    """One row: a request of a function for a group in some variations, with some qualifiers, from a level on."""

    level: int
    function: F
    group: int
    variations: tuple[int, ...]
    qualifiers: tuple[Qualifier, ...]

    def requests(self) -> Iterator[tuple[int, Qualifier]]:
        """Each (variation, qualifier) of the row."""
        for variation in self.variations:
            for qualifier in self.qualifiers:
                yield variation, qualifier


_ALL: Final = (Qualifier.ALL,)
_COUNTED: Final = (Qualifier.COUNT8, Qualifier.COUNT16)
_EVENTS: Final = (Qualifier.ALL, *_COUNTED)
_RANGES: Final = (Qualifier.RANGE8, Qualifier.RANGE16)
_POINTS: Final = (*_RANGES, Qualifier.COUNT8_INDEX8, Qualifier.COUNT16_INDEX16)
_LISTS: Final = (Qualifier.COUNT8_INDEX8, Qualifier.COUNT16_INDEX16)
_NONE: Final[tuple[Qualifier, ...]] = ()
_CONTROLS: Final = (F.SELECT, F.OPERATE, F.DIRECT_OPERATE, F.DIRECT_OPERATE_NR)
_FREEZES: Final = (F.IMMED_FREEZE, F.IMMED_FREEZE_NR, F.FREEZE_CLEAR, F.FREEZE_CLEAR_NR)


def _reads(level: int, groups: dict[int, tuple[int, ...]], qualifiers: tuple[Qualifier, ...]) -> tuple[SubsetRow, ...]:
    return tuple(SubsetRow(level, F.READ, group, variations, qualifiers) for group, variations in groups.items())


def _commands(level: int, group: int, variations: tuple[int, ...]) -> tuple[SubsetRow, ...]:
    return tuple(SubsetRow(level, function, group, variations, _LISTS) for function in _CONTROLS)


ROWS: Final[tuple[SubsetRow, ...]] = (
    SubsetRow(1, F.READ, 60, (1, 2, 3, 4), _ALL),
    SubsetRow(1, F.WRITE, 80, (1,), (Qualifier.RANGE8,)),
    SubsetRow(1, F.WRITE, 50, (1,), (Qualifier.COUNT8,)),
    *_commands(1, 12, (1,)),
    *_commands(1, 41, (2,)),
    SubsetRow(1, F.COLD_RESTART, 0, (), _NONE),
    SubsetRow(1, F.DELAY_MEASURE, 0, (), _NONE),
    *_reads(2, {1: (0,), 10: (0, 2), 20: (0,), 21: (0,), 30: (0,), 40: (0,)}, _ALL),
    *_reads(2, {2: (0, 1, 2, 3), 22: (0,), 32: (0,)}, _EVENTS),
    *_reads(2, {60: (2, 3, 4)}, _COUNTED),
    *(SubsetRow(2, function, 20, (0,), _ALL) for function in _FREEZES),
    *_reads(
        3,
        {
            1: (0, 1, 2),
            10: (0, 1, 2),
            20: (0, 1, 2, 5, 6),
            21: (0, 1, 2, 5, 6, 9, 10),
            30: (0, 1, 2, 3, 4),
            40: (0, 1, 2),
        },
        (*_POINTS, Qualifier.ALL),
    ),
    *_reads(3, {22: (0, 1, 2, 5, 6), 23: (0, 1, 2, 5, 6), 32: (0, 1, 2, 3, 4)}, _EVENTS),
    *_reads(3, {80: (1,)}, (Qualifier.RANGE8, Qualifier.ALL)),
    *_commands(3, 41, (1,)),
    SubsetRow(3, F.ENABLE_UNSOLICITED, 60, (2, 3, 4), _ALL),
    SubsetRow(3, F.DISABLE_UNSOLICITED, 60, (2, 3, 4), _ALL),
    *(SubsetRow(3, F.ASSIGN_CLASS, group, (0,), (*_POINTS, Qualifier.ALL)) for group in (1, 10, 20, 21, 30, 40)),
    *(SubsetRow(3, function, 20, (0,), _RANGES) for function in _FREEZES),
    *_reads(4, {3: (0, 1, 2), 30: (5, 6), 40: (3, 4), 34: (0, 1, 2, 3)}, (*_POINTS, Qualifier.ALL)),
    *_reads(
        4,
        {
            4: (0, 1, 2, 3),
            11: (0, 1, 2),
            13: (0, 1, 2),
            32: (5, 6, 7, 8),
            42: tuple(range(9)),
            43: tuple(range(9)),
        },
        _EVENTS,
    ),
    SubsetRow(4, F.WRITE, 34, (1, 2, 3), _POINTS),
    SubsetRow(4, F.READ, 0, (252, 254, 255), (Qualifier.RANGE8, Qualifier.ALL)),
    *_commands(4, 41, (3, 4)),
    SubsetRow(4, F.RECORD_CURRENT_TIME, 0, (), _NONE),
    SubsetRow(4, F.WARM_RESTART, 0, (), _NONE),
    *_reads(0, {31: tuple(range(9)), 110: (0,)}, (*_POINTS, Qualifier.ALL)),
    *_reads(0, {33: tuple(range(9)), 111: (0,), 113: (0,)}, _EVENTS),
    SubsetRow(0, F.READ, 50, (1,), (Qualifier.COUNT8, Qualifier.ALL)),
    *(SubsetRow(0, function, 30, (0,), (*_RANGES, Qualifier.ALL)) for function in _FREEZES),
)


def rows(level: int) -> tuple[SubsetRow, ...]:
    """What a level asks for, lower levels included; 0: what belongs to no level."""
    if not level:
        return tuple(row for row in ROWS if not row.level)
    return tuple(row for row in ROWS if 0 < row.level <= level)
