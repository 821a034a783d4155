"""Intervals of controls of single devices as columns: what they come to, and how many are kept."""

import numpy as np

from gridiface.aggregation.accounting import single_spans
from gridiface.aggregation.accounting.single_spans import Kept, Spans
from gridiface.domain.performance import TRUST, LimitAccount


def spans(*serials, start=0.0, limited=False):
    count = len(serials)
    ids = np.array([f"c{serial}" for serial in serials], dtype=np.object_)
    return Spans(
        serials=np.array(serials, dtype=np.int64),
        controls=ids,
        targets=ids,
        start=np.full(count, start),
        end=np.full(count, start + 10.0),
        means=np.array([[1.0], [2.0], [3.0], [4.0], [np.nan]]).repeat(count, axis=1),
        trust=np.full(count, len(TRUST) - 1, dtype=np.int8),
        known=np.zeros(count),
        limited=np.full(count, limited),
        limits=np.array([[500.0], [20.0], [4.0], [np.nan]]).repeat(count, axis=1),
    )


def test_each_is_the_interval_of_one_control():
    first, second = spans(3, 4).intervals()
    assert (first.control_id, second.control_id, first.target_id) == ("c3", "c4", "c3")
    assert (first.start, first.end) == (0.0, 10.0)
    assert (first.requested_w, first.accepted_w, first.allocated_w, first.acknowledged_w) == (1.0, 2.0, 3.0, 4.0)
    assert (first.delivered_w, first.quality, first.known, first.limit) == (None, TRUST[-1], 0.0, None)
    (limited,) = spans(3, limited=True).intervals()
    assert limited.limit == LimitAccount(limit_w=500.0, excess_w=20.0, over_s=4.0, peak_w=None)


def test_that_of_one_account_is_found():
    found = spans(3, 7, 9)
    assert [one.control_id for one in found.of(7)] == ["c7"]
    assert list(found.of(8)) == []
    assert list(found.of(10)) == []


def test_beyond_the_most_the_oldest_go(monkeypatch):
    monkeypatch.setattr(single_spans, "MOST_KEPT", 4)
    kept = Kept()
    for start in (0.0, 10.0, 20.0):
        kept.add(spans(1, 2, start=start))
    kept.add(spans())
    assert [one.start for one in kept.of(1)] == [10.0, 20.0]
    assert kept.newest(2).start == 20.0
    assert kept.newest(5) is None
