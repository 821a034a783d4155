"""What a step comes to begins with nobody told anything."""

import numpy as np

from gridiface.aggregation.splitting.solution import Solution


def test_nobody_is_told_anything_at_first_and_the_arrays_are_its_own():
    will = np.array([5.0, -3.0])
    found = Solution.of(will)
    assert found.will is will
    assert np.isnan(found.watts).all()
    assert np.isnan(found.ceilings).all()
    assert found.results == {}
    found.watts[0], found.anew[0] = 1.0, True
    assert np.isnan(found.ceilings[0])
    assert not found.again[0]
