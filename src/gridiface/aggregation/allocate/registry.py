"""Strategies by name: the built-in ones and those that other packages offer as `gridiface.allocators`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from gridiface.aggregation.allocate.fewest_units import FewestUnits
from gridiface.aggregation.allocate.guarded import Guarded
from gridiface.aggregation.allocate.merit_order import MeritOrder
from gridiface.aggregation.allocate.problem import Strategy
from gridiface.aggregation.allocate.proportional import Proportional
from gridiface.aggregation.allocate.soc_balancing import SocBalancing
from gridiface.aggregation.allocate.water_filling import WaterFilling
from gridiface.errors import ConfigError

#: Entry-point group under which a package offers a class (or object) of the form of `Strategy`.
ENTRY_POINTS = "gridiface.allocators"

BUILT_IN: Mapping[str, Strategy] = {
    strategy.name: strategy
    for strategy in (WaterFilling(), MeritOrder(), Proportional(), SocBalancing(), FewestUnits())
}


@cache
def strategy(name: str) -> Strategy:
    """The strategy called `name`; a built-in name cannot be taken over by a plug-in.

    Raises:
        ConfigError: nobody offers it, or what is offered cannot be loaded or has no `split`.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            made = _made(point)
            if not callable(getattr(made, "split", None)):
                raise ConfigError(f"allocator {name!r} ({point.value}) has no method split(problem)")
            return Guarded(name, made)
    raise ConfigError(f"no allocation strategy is called {name!r}; known: {', '.join(names())}")


def _made(point: EntryPoint) -> Strategy:
    """What a package offers."""
    try:
        offered = point.load()
        made: Strategy = offered() if isinstance(offered, type) else offered
    except Exception as error:  # foreign code: whatever it raises, it is the plug-in's mistake
        told = f"{type(error).__name__}: {error}"
        raise ConfigError(f"allocator {point.name!r} ({point.value}) cannot be loaded: {told}; mend it") from error
    return made


def names() -> tuple[str, ...]:
    """All strategies that can be chosen, by name."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINTS))}))
