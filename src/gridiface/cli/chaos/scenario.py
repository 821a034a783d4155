"""What a scenario is, and which there are.

A scenario is one module beside this one with a module-level `SCENARIO`. Nothing else has to be changed to add one:
the registry imports every module of this package but its own machinery.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gridiface.errors import ConfigError

_MACHINERY = frozenset({"app", "scenario", "engine_world"})


@dataclass(frozen=True, slots=True)
class Plan:
    """How a scenario is to run: `full` for the long form; `size` and `seconds` replace its own where given."""

    full: bool = False
    seed: int = 1
    size: int | None = None
    seconds: float | None = None

    def count(self, short: int, full: int) -> int:
        """How many of whatever the scenario repeats."""
        return self.size if self.size is not None else full if self.full else short


@dataclass(slots=True)
class Finding:
    """What came of it. `checks`: name -> held; `figures`: what was measured."""

    checks: dict[str, bool] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything held; a run that checked nothing did not."""
        return bool(self.checks) and all(self.checks.values())


@dataclass(frozen=True, slots=True)
class Scenario:
    """One reliability run. `measure`: its row in the list of measures, such as R18."""

    name: str
    measure: str
    summary: str
    run: Callable[[Plan], Finding]


def scenarios() -> dict[str, Scenario]:
    """All scenarios by name."""
    package = importlib.import_module(__package__)
    found: dict[str, Scenario] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in _MACHINERY:
            one: Scenario = importlib.import_module(f"{__package__}.{module.name}").SCENARIO
            found[one.name] = one
    return dict(sorted(found.items()))


def scenario(name: str) -> Scenario:
    """The scenario called `name`.

    Raises:
        ConfigError: there is none.
    """
    found = scenarios()
    if name not in found:
        raise ConfigError(f"there is no scenario {name!r}; there are: {', '.join(found)}")
    return found[name]
