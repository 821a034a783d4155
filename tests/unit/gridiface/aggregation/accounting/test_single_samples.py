"""What holds for controls of single devices at one moment, in columns."""

import numpy as np

from gridiface.aggregation.accounting.capping import Capped
from gridiface.aggregation.accounting.scoring import Sample
from gridiface.aggregation.accounting.single_samples import DELIVERED, REQUESTED, Samples
from gridiface.domain.performance import TRUST
from gridiface.domain.telemetry import Quality


def test_what_is_not_known_is_nan():
    found = Samples.nothing(2)
    found.put(1, Sample(5.0, 4.0, 3.0, 2.0, None, Quality.STALE))
    assert found.held.tolist() == [False, True]
    assert found.values[REQUESTED, 1] == 5.0
    assert np.isnan(found.values[DELIVERED, 1])
    assert TRUST[found.trust[1]] is Quality.STALE
    assert not found.limited.any()
    found.put(1, None)
    assert not found.held.any()


def test_limits_are_told_with_what_they_are_passed_by():
    found = Samples.nothing(2)
    found.put(0, Sample(None, None, None, None, 600.0, Quality.GOOD, capped=Capped(500.0, 600.0, 100.0)))
    found.put(1, Sample(None, None, None, None, None, Quality.BAD, capped=Capped(500.0, None, None)))
    assert found.limited.tolist() == [True, True]
    assert (found.limit_w[0], found.beyond_w[0], found.excess_w[0]) == (500.0, 100.0, 100.0)
    assert np.isnan([found.beyond_w[1], found.excess_w[1]]).all()


def test_some_are_taken_and_others_are_put_beside_them():
    found = Samples.nothing(2)
    found.put(0, Sample(1.0, 1.0, 1.0, 1.0, 1.0, Quality.GOOD))
    both = found.of(np.array([True, False])).beside(Samples.nothing(1))
    assert both.held.tolist() == [True, False]
    assert both.values.shape == (5, 2)
    assert both.values[REQUESTED, 0] == 1.0
