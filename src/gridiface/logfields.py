"""What a log record is about, as fields beside its text: set where an identity is known, read where it is written.

The names are the protocols' own: `LFDI` and `mRID` (IEEE 2030.5), `venID` and `eventID` (OpenADR), `association`
(DNP3: outstation/master), and `device`, `control` (ours). Owns the context, not the form of the log (app/log.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

#: Every field, in the order in which it is written.
FIELDS = ("LFDI", "mRID", "venID", "eventID", "association", "upstream", "device", "control", "trace_id", "span_id")

_NOW: ContextVar[Mapping[str, str]] = ContextVar("logfields", default={})  # noqa: B039 - never changed, only replaced


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Records that are written inside carry these fields, beside those of around; empty ones are left out."""
    token = _NOW.set({**_NOW.get(), **{name: value for name, value in fields.items() if value}})
    try:
        yield
    finally:
        _NOW.reset(token)


def current() -> Mapping[str, str]:
    """The fields of what is done now."""
    return _NOW.get()
