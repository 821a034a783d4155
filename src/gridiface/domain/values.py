"""How the values are made of which one command to a fleet makes ten thousand: set-points, deliveries, readings.

A frozen dataclass sets each of its fields by a call of its own, which costs a set-point 3 us and all that one command
makes of values a quarter of the time to hand it out. Owned here: the decorator of those that are made so often. Values
of which there are few stay frozen dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def often_made(cls: type[T]) -> type[T]:
    """A dataclass with slots and keywords alone, equal and hashed by its fields.

    Nobody changes one: the type checker refuses it as it does for a frozen dataclass. The interpreter does not.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
