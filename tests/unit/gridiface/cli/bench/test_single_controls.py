"""What thousands of controls of single devices cost is measured on controls that really run."""

from __future__ import annotations

from gridiface.cli.bench import control_step
from gridiface.cli.bench.single_controls import singles
from gridiface.domain.controls import ControlState, TargetKind

NOW = control_step._START + 30.0


def test_each_device_s_control_runs_from_its_start_to_its_end() -> None:
    engine = control_step.engine_of(30, 1)
    found = singles(engine, 20, NOW)
    assert found["controls"] == 20
    assert found["taken_cpu_milliseconds"]["max"] > 0
    over = [one for one in engine.controls() if one.target.kind is TargetKind.DEVICE]
    assert len(over) == 20
    assert {one.state for one in over} == {ControlState.COMPLETED}
