"""Groups as a tree."""

from __future__ import annotations

from typing import Any

from gridiface.operator.screens.tree import in_tree_order


def row(name: str, parent: str | None = None) -> Any:
    return {"id": name, "parent": parent}


def test_parents_come_before_their_children() -> None:
    rows = [row("b", "top"), row("leaf", "a"), row("top"), row("a", "top"), row("lost", "elsewhere"), row("own", "own")]
    found = [(depth, one["id"]) for depth, one in in_tree_order(rows)]
    assert found == [(0, "top"), (1, "b"), (1, "a"), (2, "leaf"), (0, "lost"), (0, "own")]
