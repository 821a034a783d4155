"""Who gives way between servers: authority, then creation, then mRID; limits never."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from gridiface.domain.controls import Target, TargetKind
from gridiface.northbound.sep2.upstream.rivals import Rival, losers
from gridiface.protocols.sep2.enums import ResponseStatus

ONE = Rival(
    session="a",
    lfdi="A" * 40,
    mrid="01",
    target=Target(TargetKind.DEVICE, "d1"),
    modes=frozenset({"opModTargetW"}),
    begins=100,
    ends=200,
    authority=250,
    created=10,
    running=False,
)
OTHER = replace(ONE, session="b", mrid="02", authority=240)


def test_the_stronger_ends_a_weaker_one_that_runs_and_one_that_waits() -> None:
    running = replace(OTHER, running=True)
    assert losers(ONE, [running]) == [(running, ResponseStatus.SUPERSEDED)]
    assert losers(ONE, [OTHER]) == [(OTHER, ResponseStatus.ABORTED_OTHER_SERVER)]


def test_a_weaker_one_does_not_begin_beside_a_stronger_one_that_runs() -> None:
    strong = replace(OTHER, authority=255, running=True)
    assert losers(replace(ONE, running=True), [strong]) == [(ONE, ResponseStatus.ABORTED_OTHER_SERVER)]
    assert losers(ONE, [replace(strong, running=False)]) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(OTHER, session="a"),
        replace(OTHER, target=Target(TargetKind.DEVICE, "d2")),
        replace(OTHER, target=Target(TargetKind.GROUP, "d1")),
        replace(OTHER, begins=200, ends=300),
        replace(OTHER, begins=50, ends=100),
        replace(OTHER, modes=frozenset({"opModConnect"})),
        replace(OTHER, modes=frozenset({"opModMaxLimW"})),
        replace(OTHER, modes=frozenset({"opModTargetW", "opModConnect"})),
        replace(OTHER, modes=frozenset({"opModTargetW", "opModMaxLimW"})),
    ],
)
def test_no_rivals(other: Rival) -> None:
    assert losers(ONE, [other]) == []


def test_limits_of_two_servers_stand_side_by_side() -> None:
    limit = replace(ONE, modes=frozenset({"opModMaxLimW", "opModExpLimW"}))
    assert losers(limit, [replace(limit, session="b", authority=1, running=True)]) == []


def test_equal_authority_is_decided_by_creation_then_mrid_whatever_the_order() -> None:
    events = [replace(OTHER, session=s, authority=250, created=c, mrid=m, running=True)
              for s, c, m in (("b", 9, "03"), ("c", 10, "00"), ("d", 11, "05"))]  # fmt: skip
    for order in permutations(events):
        found = {rival.session: status for rival, status in losers(ONE, order)}
        assert found == {
            "b": ResponseStatus.SUPERSEDED,
            "c": ResponseStatus.SUPERSEDED,
            "a": ResponseStatus.ABORTED_OTHER_SERVER,
        }
