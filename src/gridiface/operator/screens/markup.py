"""Text that carries marks, made readable: XML of the trace in lines, names in backticks as code. Pure.

What comes in is anybody's: nothing is parsed that could be refused, and every sign stays where it was.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_PARTS = re.compile(r"<[^<>]*>|[^<]+|<")
_CODE = re.compile(r"`([^`]+)`")
#: Deeper elements are not moved further in.
_DEEPEST = 40


def indented(text: str) -> str:
    """XML with an element in each line, moved in by its depth; lines that are none stay as they are."""
    return "\n".join(_in_lines(line) if line.lstrip().startswith("<") else line for line in text.split("\n"))


def _in_lines(xml: str) -> str:
    lines: list[str] = []
    depth, opened = 0, False
    for part in _PARTS.findall(xml.strip()):
        closing = part.startswith("</")
        depth -= closing
        if lines and opened and (closing or not part.startswith("<")):
            lines[-1] += part  # a text, or the end, of what was opened last
            opened = not closing
            continue
        if part.strip():
            lines.append("  " * max(0, min(depth, _DEEPEST)) + part)
        opened = part.startswith("<") and part.endswith(">") and not closing and part[1:2] not in {"!", "?"}
        opened = opened and not part.endswith("/>")
        depth += opened
    return "\n".join(lines)


def coded(text: str) -> Markup:
    """A line of a summary with what stands in backticks as code."""
    parts = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )
