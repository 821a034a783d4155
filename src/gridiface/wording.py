"""What a checked text must look like, in words: each pattern is declared with them, and a fault is told by them.

Owns no pattern: whoever checks a text declares its own. Pure.
"""

from __future__ import annotations

from pydantic_core import ErrorDetails

#: What a pattern asks for, by the pattern.
_WORDS: dict[str, str] = {}


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
    if fault["type"] == "string_pattern_mismatch":
        pattern = str(fault.get("ctx", {}).get("pattern"))
        words = _WORDS.get(pattern, f"of the form {pattern}")
        return f"must be {words}"
    return fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
