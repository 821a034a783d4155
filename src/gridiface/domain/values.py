"""Values of which one command to a fleet makes ten thousand, or one of many commands several.

A frozen dataclass sets each of its fields by a call of its own: a set-point with its fifteen takes four times as long
to make as an ordinary one. Owned here: the decorator of those that are made so often (set-points and their deliveries,
readings, controls that move from state to state and what is answered to them). Values of which there are few stay
frozen dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def often_made(cls: type[T]) -> type[T]:
    """A dataclass with slots and keywords alone, equal and hashed by its fields.

    Nobody changes one: the type checker refuses it as it does for a frozen dataclass. The interpreter does not, so one
    that is a key or in a set is safe only as far as the type checker sees. As of a frozen dataclass, the hash raises
    TypeError where a field holds what has none (the modes of a set-point are a mapping), and another class's value is
    never equal, whatever its fields.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
