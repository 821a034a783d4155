"""Which modes act: on, and not outranked within their family."""

import pytest

from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.northbound.dnp3.translate.modes import Modes
from gridiface.protocols.dnp3.points import PointType

BO, AO = PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT


def mode(index, name, **more):
    return PointEntry(type=BO, index=index, name=name, action=Action.ENABLE, **more)


MODES = Modes(
    PointMap(
        [
            mode(0, "vars", family="reactive", priority_from="p vars"),
            mode(1, "factor", family="reactive", priority_from="p factor"),
            mode(2, "limit"),
            PointEntry(type=AO, index=0, name="p vars", action=Action.STORE),
            PointEntry(type=AO, index=1, name="p factor", action=Action.STORE),
            PointEntry(type=AO, index=2, name="watts", action=Action.GENERATION_LIMIT, enabled_by="limit"),
        ]
    )
)


def values(**given):
    return lambda name: given.get(name.replace(" ", "_"), 0)


@pytest.mark.parametrize(
    ("given", "acting"),
    [
        ({}, []),
        ({"vars": 1}, ["vars"]),
        ({"vars": 1, "factor": 1}, ["vars", "factor"]),
        ({"vars": 1, "factor": 1, "p_vars": 1}, ["factor"]),
        ({"vars": 1, "factor": 1, "p_vars": 1, "p_factor": 2}, ["vars"]),
        ({"vars": 1, "p_vars": 9}, ["vars"]),
        ({"limit": 1, "factor": 1, "p_factor": 9}, ["factor", "limit"]),
    ],
)
def test_the_smallest_priority_of_a_family_acts(given, acting):
    assert [name for name in ("vars", "factor", "limit") if MODES.acts(name, values(**given))] == acting
    assert MODES.acts("", values(**given))


def test_what_begins_and_what_ceases():
    both = {"vars": 1, "factor": 1}
    assert MODES.changed(values(vars=1), values(**both, p_vars=1)) == (["factor"], ["vars"])
    assert MODES.changed(values(**both), values(**both)) == ([], [])


def test_which_outputs_it_depends_on():
    assert [entry.name for entry in MODES.depending("limit")] == ["watts"]
    assert [name for name in ("vars", "p vars", "watts") if MODES.ranks(name)] == ["vars", "p vars"]
