"""A group's total for those who look at all groups at once: sums over columns, no object per device."""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, IntArray
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.telemetry import GroupTotal, Quality, Snapshot


def group_total(
    columns: Columns, rows: IntArray, snapshot: Snapshot | None, trusted: tuple[BoolArray, BoolArray]
) -> GroupTotal:
    """One group.

    Args:
        columns, rows: the fleet, the members.
        snapshot: the group rolled up, from which power and charge are taken.
        trusted: per row of the fleet: data that can be trusted; data that are bad or stale.
    """
    good, silent = trusted
    told = columns.told_w[rows[~silent[rows]]]
    told = told[np.isfinite(told)]
    return GroupTotal(
        group_id="" if snapshot is None else snapshot.device_id,
        devices=int(rows.size),
        online=int(good[rows].sum()),
        allocated_w=float(told.sum()) if told.size else None,
        delivered_w=None if snapshot is None else snapshot.w,
        soc=None if snapshot is None else snapshot.soc,
        available_up_w=None if snapshot is None else snapshot.available_up_w,
        available_down_w=None if snapshot is None else snapshot.available_down_w,
        quality=Quality.BAD if snapshot is None else snapshot.quality,
    )
