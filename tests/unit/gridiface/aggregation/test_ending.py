"""How devices' parts in a control ended is what was so at that instant, whenever it is asked."""

from __future__ import annotations

from gridiface.aggregation.ending import AtItsEnd
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
