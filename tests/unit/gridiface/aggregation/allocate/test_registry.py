from importlib.metadata import EntryPoint

import pytest

from gridiface.aggregation.allocate import registry
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
    assert isinstance(registry.strategy("equal"), Equal)
    assert "equal" in registry.names()


def test_a_plug_in_without_split_is_refused(offered, monkeypatch):
    monkeypatch.setattr(EntryPoint, "load", lambda self: object)
    offered(EntryPoint("bad", "somewhere:bad", registry.ENTRY_POINTS))
    with pytest.raises(ConfigError, match="no method split"):
        registry.strategy("bad")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match="water-filling"):
        registry.strategy("nobody")
