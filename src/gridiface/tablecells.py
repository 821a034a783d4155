"""Texts in cells of tables that people open with a spreadsheet: names are chosen by peers, and none is a formula."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(value: object) -> object:
    """The value as a cell: a text that a spreadsheet would take for a formula is preceded by an apostrophe.

    What is no text is no formula and stays as it is: -5.0 remains a number.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
