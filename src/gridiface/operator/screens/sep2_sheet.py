"""What a form of IEEE 2030.5 is, and the fields that several have: whom it is for, when it holds. Pure.

A form becomes a body of the REST API, whose rules (and then the server's) hold for both; a resource that is there
becomes the fields of the form that changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from gridiface.operator.screens.forms import Form, picked, wrong
from gridiface.operator.screens.sep2_elements import Field, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One form.

    Attributes:
        name: in paths; noun, title, lead: for people.
        fields, more: what it asks; `more` is folded away.
        body: of the REST API, made of the form and of the resource that is changed ({}: none).
        filled: the fields for a resource; of an event that runs, the time that is left where `seen` says when it was
            read, s since 1970.
        root: where such things are published; empty: they belong to a program.
        sources, listed: links from the root's members down to the things.
        event: it is cancelled, not removed.
    """

    name: str
    noun: str
    title: str
    lead: str
    fields: Sequence[Field]
    more: Sequence[Field] = ()
    body: Callable[[Form, Mapping[str, Any]], BaseModel]
    filled: Callable[[Mapping[str, Any]], dict[str, str]]
    root: str = ""
    listed: Sequence[str] = ()
    event: bool = False

    @property
    def says(self) -> dict[str, Sequence[str]]:
        """By field, the words by which a refusal speaks of it."""
        return {one.name: (one.name, *one.says) for one in (*self.fields, *self.more)}


WHOM = Field(name="whom", label="Who", kind="whom", wide=True, says=("device", "group"))
START = Field(name="start", label="From", kind="when")
MINUTES = Field(name="minutes", label="For how long", kind="number", unit="min", required=True, says=("duration",))
PROGRAM = Field(
    name="program", label="Program", kind="number", required=True, hint="its number, as the list of programs has it"
)
RANDOM = (
    Field(name="randomize_start", label="Random start", kind="number", unit="s", says=("randomizeStart",),
          hint="devices begin by chance within so long; −: before the start"),
    Field(name="randomize_duration", label="Random duration", kind="number", unit="s", says=("randomizeDuration",)),
)  # fmt: skip


def timed(form: Form) -> Words:
    """Whom it is for and when it holds, as the API says it."""
    kind, _, name = form.text("whom", most=300).partition(":")
    minutes, start = form.number("minutes"), form.instant()
    if minutes is None:
        raise wrong("minutes", "it is not said for how long", "write how many minutes")
    return {
        "device": name if kind == "device" else None,
        "group": name if kind == "group" else None,
        "start": None if start is None else start.timestamp(),
        "duration": round(60 * minutes),
    }


def interval_fields(resource: Mapping[str, Any]) -> dict[str, str]:
    """The fields of when an event holds."""
    interval = resource.get("interval") or {}
    ahead = (resource.get("EventStatus") or {}).get("currentStatus") == 0
    left = interval.get("duration", 3600)
    if not ahead and "seen" in resource:
        left = max(60, interval.get("start", 0) + left - resource["seen"])
    return {
        "minutes": f"{round(left / 60, 1):.10g}",
        "start": picked(interval.get("start")) if ahead else "",
        "epoch": str(interval.get("start", "")) if ahead else "",
        **{name: str(resource[wire]) for name, wire in (("randomize_start", "randomizeStart"),
           ("randomize_duration", "randomizeDuration")) if resource.get(wire)},
    }  # fmt: skip


def whole(form: Form, name: str, default: int = 0) -> int:
    """A field as a whole number.

    Raises:
        Refused: 422, it is none.
    """
    value = form.number(name)
    if value is not None and value != round(value):
        raise wrong(name, f"{value:g} is no whole number ({name})", "write a whole number")
    return default if value is None else round(value)
