"""Tables that fit a phone: each cell is told its column's name, which the style sheet shows where rows are cards.

Works on rendered templates: a text of a device or peer is escaped there, so every tag that is found is one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TAG = re.compile(r"<(/?)(table|thead|tbody|th|tr|td)\b([^>]*)>")
_INNER = re.compile(r"<span class=\"unseen\">.*?</span>|<[^>]+>", re.DOTALL)
_SPAN = re.compile(r'\bcolspan="(\d+)"')


def labelled(html: str) -> str:
    """The same page, whose cells have `data-label`: the words of their column's head.

    Row heads, cells over several columns and columns whose head is for screen readers alone have none.
    """
    return "".join(_parts(html)) if "<thead" in html else html


def _parts(html: str) -> Iterator[str]:
    heads: list[str] = []
    in_head, column, after, began = False, 0, 0, 0
    for tag in _TAG.finditer(html):
        closing, name, attributes = tag.groups()
        match name:
            case "table" if not closing:
                heads = []
            case "thead":
                in_head = not closing
            case "tr":
                column = 0
            case "th" if in_head and not closing:
                began = tag.end()
            case "th" if in_head:
                heads.append(" ".join(_INNER.sub("", html[began : tag.start()]).split()).replace('"', "&#34;"))
            case "th" | "td" if not closing:
                wide = _SPAN.search(attributes)
                label = heads[column] if name == "td" and wide is None and column < len(heads) else ""
                column += int(wide[1]) if wide else 1
                if label:
                    yield html[after : tag.end() - 1]
                    yield f' data-label="{label}">'
                    after = tag.end()
    yield html[after:]
