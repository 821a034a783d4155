"""What holds for controls of single devices at one moment, as columns: see `scoring.Sample` for one control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.accounting.scoring import Sample
from gridiface.aggregation.allocate import BoolArray, FloatArray
from gridiface.domain.performance import TRUST

#: Rows of `Samples.values`.
REQUESTED, ACCEPTED, ALLOCATED, ACKNOWLEDGED, DELIVERED = range(5)

_PLACE = {quality: place for place, quality in enumerate(TRUST)}


@dataclass(slots=True, eq=False)
class Samples:
    """One column for each account. NaN: not known.

    Attributes:
        held: whether anything is accounted for; where not, the rest says nothing.
        values: the five powers, W.
        trust: the place of the quality in `TRUST`.
        limited: whether the control sets limits; `limit_w`, `beyond_w`, `excess_w`: see `capping.Capped`.
    """

    held: BoolArray
    values: FloatArray
    trust: npt.NDArray[np.int8]
    limited: BoolArray
    limit_w: FloatArray
    beyond_w: FloatArray
    excess_w: FloatArray

    @classmethod
    def nothing(cls, count: int) -> Samples:
        """Of so many accounts for which nothing is accounted."""
        return cls(
            np.zeros(count, dtype=np.bool_),
            np.full((5, count), np.nan),
            np.zeros(count, dtype=np.int8),
            np.zeros(count, dtype=np.bool_),
            *(np.full(count, np.nan) for _ in range(3)),
        )

    def put(self, place: int, sample: Sample | None) -> None:
        """Write one control's into its column."""
        self.held[place] = sample is not None
        if sample is None:
            return
        self.values[:, place] = [np.nan if value is None else value for value in sample.values]
        self.trust[place] = _PLACE[sample.quality]
        capped = sample.capped
        self.limited[place] = capped is not None
        if capped is not None:
            self.limit_w[place] = capped.limit_w
            self.beyond_w[place] = np.nan if capped.beyond_w is None else capped.beyond_w
            self.excess_w[place] = np.nan if capped.excess_w is None else capped.excess_w

    def of(self, chosen: BoolArray | Sequence[int]) -> Samples:
        """Those of some accounts."""
        return Samples(
            self.held[chosen],
            self.values[:, chosen],
            self.trust[chosen],
            self.limited[chosen],
            self.limit_w[chosen],
            self.beyond_w[chosen],
            self.excess_w[chosen],
        )

    def beside(self, other: Samples) -> Samples:
        """These, then the others."""
        return Samples(
            np.concatenate([self.held, other.held]),
            np.concatenate([self.values, other.values], axis=1),
            np.concatenate([self.trust, other.trust]),
            np.concatenate([self.limited, other.limited]),
            np.concatenate([self.limit_w, other.limit_w]),
            np.concatenate([self.beyond_w, other.beyond_w]),
            np.concatenate([self.excess_w, other.excess_w]),
        )
