"""A device's power from a real store, over pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.gridiface.app.desks.test_settlement_desk import reading

from gridiface.app.desks import device_series as module
from gridiface.app.desks.device_series import device_series
from gridiface.domain.changes import AppendReadings
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.store.repository import Store


async def test_values_come_whole_over_pages_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 7)
    told = [reading(float(at // 3), float(at)) for at in range(60)]  # three of each time: the last one counts
    volts = Reading(device_id="load", quantity=Quantity.VOLTAGE, value=9e9, source_time=3.0, received=3.0)
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await store.commit([AppendReadings((*told, volts, reading(99.0, 1.0)))])
        found = await device_series(store, "load", 2.0, 20.0, 1.0, 0.0)
        assert found is not None
        assert (found.start, found.w.tolist()) == (2.0, [3.0 * at + 2 for at in range(2, 20)])
        assert await device_series(store, "nobody", 0.0, 99.0, 1.0, 0.0) is None
