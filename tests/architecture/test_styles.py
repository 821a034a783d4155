"""Nothing in the pages' style sheet is for nobody: each class and colour of ours is used by a template or script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

OPERATOR = Path(__file__).resolve().parents[2] / "src" / "gridiface" / "operator"
SHEET = re.sub(r"/\*.*?\*/", "", (OPERATOR / "static" / "app.css").read_text(), flags=re.DOTALL)
USES = "".join(
    path.read_text()
    for kind in ("*.html", "*.js", "*.py")
    for path in sorted(OPERATOR.rglob(kind))
    if "vendor" not in path.parts
)
#: Written with a number behind it: `class="deep-{{ depth }}"`.
COUNTED = re.compile(r"-\d+$")
#: What uPlot, the library of the charts, gives its own elements.
FOREIGN = re.compile(r"u-")

CLASSES = sorted(set(re.findall(r"\.([a-zA-Z][\w-]*)(?=[^{}]*\{)", SHEET)))
COLOURS = sorted(set(re.findall(r"(--[\w-]+)\s*:", SHEET)))


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_used(name: str) -> None:
    wanted = COUNTED.sub("-", name)
    known = re.search(rf"(?<![\w-]){re.escape(wanted)}(?![\w-])" if wanted == name else re.escape(wanted), USES)
    assert FOREIGN.match(name) or known, f".{name} is used by no page"


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_is_used(name: str) -> None:
    assert re.search(rf"var\({name}[,)]", SHEET + USES) or f'"{name}"' in USES, f"{name} is used nowhere"


def test_the_sheet_was_found() -> None:
    assert len(CLASSES) > 50
    assert len(COLOURS) > 5


def test_paper_is_light() -> None:
    """Whoever reads in the dark prints black on white."""
    parts = re.split(r"(?<!-)color-scheme: dark", SHEET)
    assert len(parts) == 3
    for before in parts[:-1]:
        assert re.search(r"@media screen[^{}]*\{\s*:root[^{}]*\{\s*$", before)
