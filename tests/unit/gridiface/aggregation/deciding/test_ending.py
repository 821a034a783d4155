"""How devices' parts in a control ended is what was so at that instant, whenever it is asked."""

from __future__ import annotations

from typing import Any

from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.deciding.ending import AtItsEnd
from gridiface.domain.controls import OutcomeKind


def test_each_devices_part_by_its_start_its_place_and_its_health() -> None:
    ended = AtItsEnd(
        began={None, "well", "silent", "failing", "left", "moved"},
        here={"well", "silent", "failing", "moved", "late", "refused"},
        group_id="north",
        members={"well", "silent", "failing", "left", "late", "refused", "never"},
        away=frozenset({"silent", "failing"}),
        failures={"failing": "timeout after 3 attempts", "refused": "rejected after 1 attempts"},
    )
    found = ended(["well", "silent", "failing", "left", "moved", "late", "refused", "never"])
    assert {device: key for key, devices in found.items() for device in devices} == {
        "well": (OutcomeKind.COMPLETED, ""),
        "silent": (OutcomeKind.PARTIAL, "it fell silent"),
        "failing": (OutcomeKind.PARTIAL, "timeout after 3 attempts"),
        "left": (OutcomeKind.PARTIAL, "it left the fleet"),
        "moved": (OutcomeKind.PARTIAL, "it left group north"),
        "late": (OutcomeKind.FAILED, "never acknowledged"),
        "refused": (OutcomeKind.FAILED, "rejected after 1 attempts"),
        "never": (OutcomeKind.FAILED, "it left the fleet"),
    }
    assert ended(["well"]) == {(OutcomeKind.COMPLETED, ""): ["well"]}
    assert ended([]) == {}


def test_who_is_blocked_in_the_middle_did_not_complete_its_part(bench: Any) -> None:
    world = bench(battery("a"), battery("b"), battery("c"))
    world.submit(ask(duration=20.0, set_w=4_000.0))
    world.step(1, 10)
    world.engine.desk.block("a", True, world.now)
    world.engine.add_device(battery("c", enabled=False), world.now)
    world.step(1, 15)
    assert world.verdicts("block") == [("blocked", "a")]
    assert world.verdicts("enabled") == [("disabled", "c")]
    ends = {(one.device_id, one.kind, one.reason) for one in world.outcomes if one.kind not in (1, 2)}
    assert ends == {
        ("a", OutcomeKind.PARTIAL, "blocked by the operator"),
        ("c", OutcomeKind.PARTIAL, "not enabled any more"),
        ("b", OutcomeKind.COMPLETED, ""),
        (None, OutcomeKind.COMPLETED, ""),
    }
