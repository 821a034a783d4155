"""Which groups lie within which, counted by the devices that they share and kept up device by device.

A group lies within another one where all its devices are the other's too, and that one has more. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


class Levels:
    """The groups of a fleet by what they share.

    Args:
        members: group -> its devices, through nested groups.
    """

    def __init__(self, members: Mapping[str, Collection[str]]) -> None:
        self._size: dict[str, int] = dict.fromkeys(members, 0)
        self._shared: dict[str, dict[str, int]] = {group: {} for group in members}
        around: dict[str, list[str]] = {}
        for group, devices in members.items():
            for device in devices:
                around.setdefault(device, []).append(group)
        for groups in around.values():
            self._count(groups)

    def add(self, groups: Collection[str]) -> bool:
        """A device came to these groups; whether another group may lie within another one now.

        Costs what these groups share with others, not how many devices they have.
        """
        inside = frozenset(groups)
        moved = any(self._alone(group, inside) for group in inside)
        self._count(inside)
        return moved

    def drop(self, groups: Collection[str]) -> bool:
        """A device left these groups; whether a group may lie within another one now, or no more.

        Costs what these groups share with others, not how many devices they have.
        """
        inside = frozenset(groups)
        self._count(inside, -1)
        return any(self._alone(group, inside) for group in inside)

    def _alone(self, group: str, inside: frozenset[str]) -> bool:
        """Whether a group is empty, or within a group, around one or alike one that does not grow or shrink with it."""
        size = self._size[group]
        others = self._shared[group].items()
        return not size or any(common == size for other, common in others if other not in inside)

    def _count(self, groups: Iterable[str], step: int = 1) -> None:
        chosen = tuple(groups)
        for group in chosen:
            self._size[group] += step
            shared = self._shared[group]
            for other in chosen:
                if other != group:
                    shared[other] = shared.get(other, 0) + step
                    if not shared[other]:
                        del shared[other]

    def heights(self) -> dict[str, int]:
        """Group -> how many levels it is high: 1 where no group lies within it."""
        empty = any(not size for size in self._size.values())
        found: dict[str, int] = {}
        for group in sorted(self._size, key=self._size.__getitem__):
            size = self._size[group]
            within = (
                found[other]
                for other, common in self._shared[group].items()
                if self._size[other] == common and common < size
            )
            found[group] = 1 + max(within, default=1 if empty and size else 0)
        return found
