"""Groups as a tree: parents before their children, with the depth of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.operator.rows.rows import GroupRow


def in_tree_order(groups: Iterable[GroupRow]) -> list[tuple[int, GroupRow]]:
    """(depth, group): each parent before its children, in the given order; without a parent here it is outermost."""
    rows = list(groups)
    known = {row["id"] for row in rows}
    children: dict[str | None, list[GroupRow]] = {}
    for row in rows:
        parent = row["parent"] if row["parent"] in known and row["parent"] != row["id"] else None
        children.setdefault(parent, []).append(row)
    found: list[tuple[int, GroupRow]] = []
    waiting = [(0, row) for row in reversed(children.get(None, []))]
    while waiting:
        depth, row = waiting.pop()
        found.append((depth, row))
        waiting.extend((depth + 1, child) for child in reversed(children.get(row["id"], [])))
    return found
