"""Parts of a document whose text is made once: for what many documents share. Owns the wrapper; writers.py heeds it."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from gridiface.protocols.xmlwire.declare import WireObject

_T = TypeVar("_T", bound=WireObject)


class Kept:
    """Stands for a wire object in fields of its own class, and keeps the text that was written for it.

    `text` is filled by the first writer that meets it. Only for objects that nobody changes any more, and always in
    the same field: the text holds the field's tag.
    """

    __slots__ = ("text", "value")

    def __init__(self, value: WireObject) -> None:
        self.value = value
        self.text: str | None = None

    def __getattr__(self, name: str) -> Any:
        # Who reads it, reads the object.
        return getattr(self.value, name)


def kept(value: _T) -> _T:
    """`value`, written once however many documents it stands in."""
    return cast(_T, Kept(value))


def plain(value: _T) -> _T:
    """The object itself, where `value` may stand for one: for who takes it apart or changes it."""
    # `kept` hides the wrapper from the type checker.
    return cast(_T, value.value) if isinstance(value, Kept) else value
