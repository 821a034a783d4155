"""Which groups lie within which: counted as devices come, as if looked at anew each time."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gridiface.northbound.sep2.served.levels import Levels

GROUPS = "abcdef"


def looked_at(members: dict[str, set[str]]) -> dict[str, int]:
    """The heights by comparing all groups."""

    def height(group: str) -> int:
        return 1 + max((height(other) for other in members if members[other] < members[group]), default=0)

    return {group: height(group) for group in members}


@given(st.lists(st.sets(st.sampled_from(GROUPS), min_size=1), max_size=12), st.integers(0, 12))
def test_devices_that_come_one_by_one_leave_the_levels_that_all_together_have(
    placed: list[set[str]], first: int
) -> None:
    members: dict[str, set[str]] = {group: set() for group in GROUPS}

    def put(number: int) -> None:
        for group in placed[number]:
            members[group].add(f"device{number}")

    for number in range(len(placed))[:first]:
        put(number)
    levels = Levels(members)
    known = levels.heights()
    assert known == looked_at(members)
    for number in range(len(placed))[first:]:
        put(number)
        if levels.add(placed[number]):
            known = levels.heights()
        assert known == looked_at(members)
    assert levels.heights() == known


@given(st.lists(st.sets(st.sampled_from(GROUPS), min_size=1), max_size=12), st.randoms(use_true_random=False))
def test_devices_that_leave_one_by_one_leave_the_levels_of_those_that_stay(
    placed: list[set[str]], chance: Random
) -> None:
    devices = {f"device{number}": groups for number, groups in enumerate(placed)}
    members = {group: {name for name, groups in devices.items() if group in groups} for group in GROUPS}
    levels = Levels(members)
    known = levels.heights()
    for name in chance.sample(sorted(devices), len(devices)):
        for group in devices[name]:
            members[group].discard(name)
        if levels.drop(devices[name]):
            known = levels.heights()
        assert known == looked_at(members)
    assert levels.heights() == known


def test_seven_levels_stand_above_each_other() -> None:
    members = {f"level{n}": {f"d{m}" for m in range(n + 1)} for n in range(7)}
    assert Levels(members).heights() == {f"level{n}": n + 1 for n in range(7)}
