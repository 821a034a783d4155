"""The values of all points of one type, as numpy columns, and their static images.

Owns storage, the record image per variation (rebuilt only when a value changed) and the runs of neighbouring
indices that share a variation. Which updates make events is decided in database.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridiface.protocols.dnp3.objects import TABLE, Flags, Layout
from gridiface.protocols.dnp3.points import KINDS, OCTET_TYPES, STATE_BITS, EventMode, PointConfig, PointType
from gridiface.protocols.dnp3.values import fit_many

_DEADBAND_GROUP = 34
_WITH_FLAGS = 2
_MOST_CUTS = 64

Cut = tuple[int, int, int, int, int]


class Run(NamedTuple):
    """Points low..high-1 (positions, not indices) with neighbouring indices and one variation."""

    variation: int
    low: int
    high: int


class Column:
    """All points of one type in order of index."""

    def __init__(self, point_type: PointType, configs: list[PointConfig]) -> None:
        self.type = point_type
        self.kind = KINDS[point_type]
        self.configs = sorted(configs, key=lambda config: config.index)
        self.positions = {config.index: at for at, config in enumerate(self.configs)}
        count = len(self.configs)
        self.indices = np.array([config.index for config in self.configs], dtype=np.int64)
        self.values = np.zeros(count, dtype=np.float64)
        self.flags = np.array([config.initial_flags for config in self.configs], dtype=np.uint8)
        self.times = np.zeros(count, dtype=np.int64)
        self.reported = np.zeros(count, dtype=np.float64)
        self.reported_flags = self.flags.copy()
        self.deadbands = np.array([config.deadband for config in self.configs], dtype=np.float64)
        self.forced = np.array([config.mode is EventMode.FORCE for config in self.configs], dtype=np.bool_)
        self.suppressed = np.array([config.mode is EventMode.SUPPRESS for config in self.configs], dtype=np.bool_)
        self.most_recent = [config.most_recent_only for config in self.configs]
        self.strings: list[bytes] = [b"\0"] * count if point_type in OCTET_TYPES else []
        self.wide_index = bool(count) and self.configs[-1].index > 0xFF
        self.event_variations = [config.event_variation or self.kind.event_variation for config in self.configs]
        self._static_variations = [config.static_variation or self.kind.static_variation for config in self.configs]
        self._deadband_variations = [config.deadband_variation for config in self.configs]
        self._runs: dict[tuple[int, bool], list[Run]] = {}
        self._images: dict[tuple[int, int], bytes] = {}
        #: Header and objects as they stood in a fragment, and how many points: by group, variation, positions, room.
        self.cuts: dict[Cut, tuple[bytes, int]] = {}

    def __len__(self) -> int:
        return len(self.configs)

    def changed(self) -> None:
        """Must be called after any change of values, flags, times or dead-bands: images are rebuilt."""
        self._images.clear()
        self.cuts.clear()

    def keep_cut(self, key: Cut, octets: bytes, count: int) -> None:
        """What was written into a fragment, for the next poll of values that did not change."""
        if len(self.cuts) >= _MOST_CUTS:
            self.cuts.clear()
        self.cuts[key] = octets, count

    def reconfigure(self, config: PointConfig) -> int:
        """Another configuration of a point that is there; its position."""
        at = self.positions[config.index]
        self.configs[at] = config
        self.deadbands[at] = config.deadband
        self.event_variations[at] = config.event_variation or self.kind.event_variation
        self._static_variations[at] = config.static_variation or self.kind.static_variation
        self._runs.clear()
        self.changed()
        return at

    def exceeded(self, start: int, stop: int) -> bool:
        """Whether a range of indices goes beyond the first or the last point, or holds none."""
        low, high = self.span(start, stop)
        return low == high or start < self.configs[0].index or stop > self.configs[-1].index

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Positions low..high-1 of the points whose index is within start..stop."""
        low = int(np.searchsorted(self.indices, start, side="left"))
        high = int(np.searchsorted(self.indices, stop, side="right"))
        return low, high

    def runs(self, variation: int = 0, *, class_0: bool = False) -> list[Run]:
        """Runs of all points in a variation (0: each point's own), or of those that class 0 shows."""
        key = (variation, class_0)
        found = self._runs.get(key)
        if found is None:
            if self.strings:
                wanted = [len(text) for text in self.strings]
            else:
                wanted = [variation] * len(self) if variation else self._static_variations
            found = self._runs[key] = self._build_runs(wanted, class_0=class_0)
        return found

    def set_string(self, at: int, octets: bytes) -> None:
        """A new octet string; its length is its variation, so the runs change with it."""
        if len(self.strings[at]) != len(octets):
            self._runs.clear()
        self.strings[at] = octets

    def deadband_runs(self, variation: int) -> list[Run]:
        """Runs of all dead-bands in a variation of g34 (0: each point's own)."""
        key = (_DEADBAND_GROUP << 8 | variation, False)
        found = self._runs.get(key)
        if found is None:
            wanted = [variation] * len(self) if variation else self._deadband_variations
            found = self._runs[key] = self._build_runs(wanted, class_0=False)
        return found

    def octets(self, group: int, variation: int, low: int, high: int) -> bytes:
        """The objects of positions low..high-1 in a variation, without a header."""
        if self.strings:
            return b"".join(self.strings[low:high])
        row = TABLE[group, variation]
        size = row.size
        if not size:
            return self._packed(row.layout, low, high)
        image = self._images.get((group, variation))
        if image is None:
            image = self._images[group, variation] = self._image(group, variation)
        return image[low * size : high * size]

    def sendable(self, variation: int, low: int, high: int) -> int:
        """The variation to send: a packed one becomes the one with flags when a point is not plainly online."""
        row = TABLE.get((self.kind.static_group, variation))
        if row is None or row.layout not in (Layout.PACKED, Layout.PACKED2):
            return variation
        nominal = bool((self.flags[low:high] == Flags.ONLINE).all())
        return variation if nominal else _WITH_FLAGS

    def with_state(self, flags: int, value: float) -> int:
        """Flags with the state bits of a value; unchanged for types whose value is a number."""
        state = STATE_BITS.get(self.type)
        return flags if state is None else flags | (int(value) & state[1]) << state[0]

    def in_class_0(self, at: int) -> bool:
        """Whether a class 0 poll shows the point at a position."""
        wish = self.configs[at].in_class_0
        return self.kind.in_class_0 if wish is None else wish

    def _build_runs(self, variations: list[int], *, class_0: bool) -> list[Run]:
        runs: list[Run] = []
        for at, variation in enumerate(variations):
            if class_0 and not self.in_class_0(at):
                continue
            last = runs[-1] if runs else None
            neighbour = last is not None and last.high == at and self.indices[at] == self.indices[at - 1] + 1
            if last is not None and neighbour and last.variation == variation:
                runs[-1] = Run(variation, last.low, at + 1)
            else:
                runs.append(Run(variation, at, at + 1))
        return runs

    def _image(self, group: int, variation: int) -> bytes:
        row = TABLE[group, variation]
        if group == _DEADBAND_GROUP:
            values, flags = self.deadbands, np.zeros(len(self), dtype=np.uint8)
        else:
            values, flags = self.values, self._wire_flags()
        return fit_many(row, values, flags, self.times).tobytes()

    def _wire_flags(self) -> npt.NDArray[np.uint8]:
        state = STATE_BITS.get(self.type)
        if state is None:
            return self.flags
        bits = (self.values.astype(np.uint8) & state[1]) << state[0]
        return (self.flags | bits).astype(np.uint8)

    def _packed(self, layout: Layout, low: int, high: int) -> bytes:
        states = self.values[low:high].astype(np.uint8)
        if layout is Layout.PACKED:
            return np.packbits(states & 1, bitorder="little").tobytes()
        pairs = np.column_stack((states & 1, states >> 1 & 1)).reshape(-1)
        return np.packbits(pairs, bitorder="little").tobytes()
