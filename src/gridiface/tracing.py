"""Spans of what is done, for those who trace: a hook that does nothing until app/process/otel.py sets it.

Any layer may open a span; which library carries them, and where to, is the app's. Owns the hook only.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

#: Makes a span of a name with attributes; the span ends with the context.
Maker = Callable[[str, dict[str, str]], AbstractContextManager[None]]

_maker: list[Maker] = []

_NOTHING = nullcontext()


def span(name: str, **attributes: str) -> AbstractContextManager[None]:
    """What is done inside is one span; costs next to nothing while nobody traces."""
    return _maker[0](name, attributes) if _maker else _NOTHING


def traced() -> bool:
    """Whether somebody traces."""
    return bool(_maker)


def install(maker: Maker | None) -> None:
    """Trace from now on, or no more."""
    _maker[:] = [] if maker is None else [maker]
