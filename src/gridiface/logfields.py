"""What a log record is about, as fields beside its text: set where an identity is known, read where it is written.

The names are the protocols' own: `LFDI` and `mRID` (IEEE 2030.5), `venID` and `eventID` (OpenADR), `association`
(DNP3: outstation/master), and `device`, `control` (ours). Owns the context, not the form of the log
(app/process/log.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar

#: Every field, in the order in which it is written.
FIELDS = ("LFDI", "mRID", "venID", "eventID", "association", "upstream", "device", "control", "trace_id", "span_id")

_NOW: ContextVar[Mapping[str, str]] = ContextVar("logfields", default={})  # noqa: B039 - never changed, only replaced


class _About:
    """A class, for it is entered several times for each request of each protocol: a generator costs twice as much."""

    __slots__ = ("_fields", "_token")

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        around, told = _NOW.get(), self._fields
        if not all(told.values()):
            told = {name: value for name, value in told.items() if value}
        self._token = _NOW.set({**around, **told} if around else told)

    def __exit__(self, *_: object) -> None:
        _NOW.reset(self._token)


def about(**fields: str) -> AbstractContextManager[None]:
    """Records that are written inside carry these fields, beside those of around; empty ones are left out."""
    return _About(fields)


def current() -> Mapping[str, str]:
    """The fields of what is done now."""
    return _NOW.get()
