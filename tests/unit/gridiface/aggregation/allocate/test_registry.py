from importlib.metadata import EntryPoint

import numpy as np
import pytest

from gridiface.aggregation.allocate import Problem, registry
from gridiface.errors import ConfigError


class Equal:
    name = "equal"

    def split(self, problem):
        return problem.lo


@pytest.fixture
def offered(monkeypatch):
    def offer(*points):
        registry.strategy.cache_clear()
        monkeypatch.setattr(registry, "entry_points", lambda group: points)

    yield offer
    registry.strategy.cache_clear()


def test_built_in_names():
    assert set(registry.names()) >= {"water-filling", "merit-order", "proportional", "soc-balancing", "fewest-units"}
    assert registry.strategy("merit-order").name == "merit-order"


def test_a_plug_in_is_found_by_its_entry_point(offered, monkeypatch):
    monkeypatch.setattr(EntryPoint, "load", lambda self: Equal)
    offered(EntryPoint("equal", "somewhere:Equal", registry.ENTRY_POINTS))
    found = registry.strategy("equal")
    least = Problem(target=-2.0, lo=np.array([-2.0]), hi=np.ones(1), base=np.zeros(1), weight=np.ones(1))
    assert (found.name, found.split(least).tolist()) == ("equal", [-2.0])
    assert "equal" in registry.names()


def test_a_plug_in_without_split_is_refused(offered, monkeypatch):
    monkeypatch.setattr(EntryPoint, "load", lambda self: object)
    offered(EntryPoint("bad", "somewhere:bad", registry.ENTRY_POINTS))
    with pytest.raises(ConfigError, match="no method split"):
        registry.strategy("bad")


@pytest.mark.parametrize("error", [ImportError("no module"), ZeroDivisionError("at its top")])
def test_a_plug_in_that_cannot_be_loaded_is_refused_with_its_reason(offered, monkeypatch, error):
    def load(self):
        raise error

    monkeypatch.setattr(EntryPoint, "load", load)
    offered(EntryPoint("bad", "somewhere:bad", registry.ENTRY_POINTS))
    with pytest.raises(ConfigError, match=f"cannot be loaded: {type(error).__name__}: {error}"):
        registry.strategy("bad")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match="water-filling"):
        registry.strategy("nobody")
