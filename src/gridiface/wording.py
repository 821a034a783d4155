"""What a checked text must look like, in words: each pattern is declared with them, and a fault is told by them.

Owns no pattern: whoever checks a text declares its own. Pure.
"""

from __future__ import annotations

from pydantic_core import ErrorDetails

#: What a pattern asks for, by the pattern.
_WORDS: dict[str, str] = {}

#: How a list that is too short or too long is told: pydantic speaks of tuples, items and validation.
_LENGTHS = {"too_short": ("least", "min_length"), "too_long": ("most", "max_length")}


def worded(pattern: str, words: str) -> str:
    """A pattern for pydantic's `pattern=`, with what it asks for.

    Args:
        pattern: the regular expression.
        words: behind "must be", as in "40 hexadecimal digits".
    """
    if _WORDS.setdefault(pattern, words) != words:
        raise ValueError(f"{pattern!r} has words already: {_WORDS[pattern]}")
    return pattern


def said(fault: ErrorDetails) -> str:
    """What pydantic found wrong with a value, for people; a regular expression only where nobody gave it words."""
    given = fault.get("ctx", {})
    if fault["type"] == "string_pattern_mismatch":
        pattern = str(given.get("pattern"))
        return f"must be {_WORDS.get(pattern, f'of the form {pattern}')}"
    if fault["type"] in _LENGTHS:
        words, name = _LENGTHS[fault["type"]]
        most = given.get(name)
        return f"must have at {words} {most} {'entry' if most == 1 else 'entries'}"
    if fault["type"] == "tuple_type":
        return "must be a list"
    return fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
