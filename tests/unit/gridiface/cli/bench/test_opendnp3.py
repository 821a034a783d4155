"""opendnp3 beside ours: how the two are compared, and what is said where it cannot start."""

from __future__ import annotations

import os
import sys

import pytest

from gridiface.cli.bench import dnp3
from gridiface.cli.bench.opendnp3 import VARIABLE, OpenDnp3
from gridiface.errors import GridifaceError


def test_a_rival_stands_beside_our_figures_with_how_many_times_its_time_ours_is() -> None:
    one: dict[str, list[float]] = {"p50_ms": [2.0, 3.0, 4.0], "p99_ms": [5.0, 5.0, 5.0]}
    two: dict[str, list[float]] = {"p50_ms": [1.0, 1.5, 9.0], "p99_ms": [5.0, 5.0, 5.0]}
    found = dnp3._compared({"ours": one, "opendnp3": two})
    assert (found["p50_ms"]["median"], found["opendnp3"]["p50_ms"]["median"], found["times_opendnp3"]) == (
        3.0,
        1.5,
        2.0,
    )
    assert "times_opendnp3" not in dnp3._compared({"ours": one})


@pytest.mark.processes
def test_a_python_without_the_binding_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, sys.executable)
    with pytest.raises(GridifaceError, match="dnp3-python"), OpenDnp3(10):
        pass


@pytest.mark.processes
@pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no Python with dnp3-python")
async def test_it_answers_the_same_requests() -> None:
    found = (await dnp3.poll(1, points=20, polls=10))["figures"]
    assert all(found[name]["opendnp3"]["p50_ms"]["median"] > 0 for name in found)
