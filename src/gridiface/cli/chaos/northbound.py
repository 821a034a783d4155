"""R20, the engine's part: the link to the utility is lost for an hour while events run.

Nobody can be reached, and nothing new comes: the running event finishes, the next one that is known starts and ends,
then the default control holds, and where that is taken away the local schedule. That telemetry is kept and delivered
when the link returns is the protocols' part.
"""

from __future__ import annotations

from dataclasses import replace

from gridiface.cli.chaos.engine_world import START, EngineWorld, ask, batteries
from gridiface.cli.chaos.scenario import Finding, Plan, Scenario
from gridiface.domain.controls import ControlMode, ModeValue, Target, TargetKind
from gridiface.domain.local_time import DailyWindow
from gridiface.domain.schedule import LocalSchedule

_DAY_S = 86_400


def run(plan: Plan) -> Finding:
    """Two minutes, in the full form an hour, both in simulated time."""
    away = plan.seconds or (3_600.0 if plan.full else 120.0)
    world = EngineWorld(batteries(20), seed=plan.seed)
    rated = float(world.fleet.out_w.sum())
    parts = [0.4, 0.3, 0.2, 0.1]
    lost_at, back_at = START + 20, START + 20 + away
    quarter = away / 4
    world.submit(ask("running", START + 5, 15 + quarter, set_w=parts[0] * rated))
    world.submit(ask("known", lost_at + quarter, quarter, set_w=parts[1] * rated))
    default = replace(ask("default", START, None, set_w=parts[2] * rated), is_default=True)
    world.submit(default)
    _schedule(world, parts[3] * rated)
    seen: dict[str, float] = {}
    while world.now < back_at:
        if world.now >= lost_at + 3 * quarter:
            world.engine.cancel("default", world.now)  # what an operator on site may do: then the schedule holds
        world.step()
        for name, at in (("running", 0.5), ("known", 1.5), ("default", 2.5), ("schedule", 3.5)):
            if abs(world.now - (lost_at + at * quarter)) <= world.step_s / 2 + 1e-6:
                seen[name] = world.total / rated
    kinds = {
        name: [one.kind.name for one in world.outcomes if one.control_id == name and one.device_id is None]
        for name in ("running", "known")
    }
    whole = ["RECEIVED", "STARTED", "COMPLETED"]
    checks = {
        "the running event finishes": abs(seen.get("running", 0) - parts[0]) < 0.01 and kinds["running"] == whole,
        "a known event starts and ends": abs(seen.get("known", 0) - parts[1]) < 0.01 and kinds["known"] == whole,
        "then the default holds": abs(seen.get("default", 0) - parts[2]) < 0.01,
        "then the local schedule": abs(seen.get("schedule", 0) - parts[3]) < 0.01,
    }
    return Finding(checks, {"away_s": away, "seen": {name: round(share, 3) for name, share in seen.items()}})


def _schedule(world: EngineWorld, watts: float) -> None:
    """A window that is open all day."""
    line = LocalSchedule(
        id="always",
        target=Target(TargetKind.GROUP, "fleet"),
        window=DailyWindow(start_s=0, end_s=_DAY_S),
        values={ControlMode.SET_W: ModeValue(watts)},
    )
    world.engine.desk.set_schedules([line], world.now)


SCENARIO = Scenario("northbound-loss", "R20", "the link to the utility is lost while events run", run)
