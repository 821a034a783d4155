"""The engine is lost and made anew in mid-event, again and again: no step of the fleet, nothing said twice."""

from __future__ import annotations

import numpy as np

from gridiface.cli.chaos.engine_world import START, EngineWorld, ask, batteries
from gridiface.cli.chaos.scenario import Finding, Plan, Scenario
from gridiface.domain.controls import ControlState


def run(plan: Plan) -> Finding:
    """20 restarts of an engine with 50 devices; in the full form 500."""
    restarts = plan.count(20, 500)
    world = EngineWorld(batteries(50), seed=plan.seed)
    asked = 0.3 * float(world.fleet.out_w.sum())
    controls = [
        world.submit(ask("c1", START + 1, None, set_w=asked)),
        world.submit(ask("c2", START + 1, None, export_limit=0.9 * asked)),
    ]
    for _ in range(30):
        world.step()
    random = np.random.default_rng(plan.seed)
    wanted, worst, forgotten = 0.9 * asked, 0.0, 0
    for _ in range(restarts):
        world.engine = world.fresh_engine()
        world.engine.restore(controls, world.outcomes, world.now)
        for _ in range(int(random.integers(3, 12))):
            world.step()
            worst = max(worst, abs(world.total - wanted))
        known = [world.engine.control(one.id) for one in controls]
        forgotten += sum(one is None or one.state is not ControlState.ACTIVE for one in known)
    told = [(one.control_id, one.device_id, one.kind) for one in world.outcomes]
    return Finding(
        {
            "no step of the fleet": worst <= 0.005 * wanted,
            "running controls go on": forgotten == 0,
            "nothing said twice": len(told) == len(set(told)),
        },
        {"restarts": restarts, "largest_step_pct": round(100 * worst / wanted, 4), "outcomes": len(told)},
    )


SCENARIO = Scenario("engine-restart", "R21", "the engine restarts in the middle of events without a step", run)
