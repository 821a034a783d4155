"""Whoever gives a field a pattern says in words what it asks for (gridiface.wording)."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _bare(path: Path) -> list[str]:
    """Where pydantic's Field is given a pattern as it stands."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Field"]
    given = [word.value for call in calls for word in call.keywords if word.arg == "pattern"]
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [
        f"{path.relative_to(ROOT)}:{value.lineno}"
        for value in (named.get(one.id, one) if isinstance(one, ast.Name) else one for one in given)
        if isinstance(value, ast.Constant)
    ]


def test_every_pattern_of_ours_has_words() -> None:
    found = [one for part in ("src", "southbound") for path in (ROOT / part).rglob("*.py") for one in _bare(path)]
    assert not found
