"""Tables as a user writes them, with one thing changed: what most tests of mistakes in them begin with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def variant(good: Mapping[str, Any], *path: Any, value: Any) -> dict[str, Any]:
    """A deep copy of `good` in which the place that `path` leads to holds `value`."""
    data: Any = copy.deepcopy(good)
    at = data
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return dict(data)
