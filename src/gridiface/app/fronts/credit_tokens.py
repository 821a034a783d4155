"""The verifier of prepayment tokens that the configuration names, found by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import cast

from gridiface.errors import ConfigError
from gridiface.northbound.sep2.credit_tokens import TokenVerifier

#: Group of entry points: a callable without arguments that gives a TokenVerifier.
ENTRY_POINTS = "gridiface.credit_tokens"
NONE = "none"


def verifier_of(name: str) -> TokenVerifier | None:
    """The verifier of that name; None for "none".

    Raises:
        ConfigError: none is installed by that name, or it is no verifier.
    """
    if name == NONE:
        return None
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    point = points.get(name)
    if point is None:
        known = ", ".join(sorted({NONE, *points}))
        raise ConfigError(f"sep2.prepayment.tokens: no verifier is called {name!r}; known: {known}")
    try:
        made = point.load()()
    except Exception as problem:
        raise ConfigError(f"sep2.prepayment.tokens: {name!r} ({point.value}) cannot be made: {problem!r}") from problem
    if not callable(getattr(made, "verify", None)):
        raise ConfigError(f"sep2.prepayment.tokens: {name!r} ({point.value}) has no `verify`")
    return cast("TokenVerifier", made)
