"""Groups as a laminar tree over the fleet: two groups are disjoint or one holds the other.

A group's devices are those it names and those of the groups below it. Parent and child follow from `Group.parent`
and from inclusion: a group whose devices all belong to another lies inside it even when it does not say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from gridiface.domain.fleet import Group
from gridiface.errors import ConfigError


class GroupTree:
    """The groups and who lies in whom. Devices are ids; they need not exist yet."""

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        """Build the tree.

        Raises:
            ConfigError: an id twice, an unknown parent, a circle, or groups that overlap without one holding the other.
        """
        self.groups: dict[str, Group] = {}
        for group in groups:
            if group.id in self.groups:
                raise ConfigError(f"group {group.id!r} is defined twice")
            self.groups[group.id] = group
        self._below: dict[str, list[str]] = {}
        for group in self.groups.values():
            if group.parent is None:
                continue
            if group.parent not in self.groups:
                raise ConfigError(f"group {group.id!r} names the unknown parent {group.parent!r}")
            self._below.setdefault(group.parent, []).append(group.id)
        self._members: dict[str, set[str]] = {}
        for group_id in self.groups:
            self._collect(group_id, ())
        self.parent: dict[str, str | None] = {}
        self.children: dict[str, tuple[str, ...]] = dict.fromkeys(self.groups, ())
        self._nest()

    def members(self, group_id: str) -> tuple[str, ...]:
        """All devices of the group and of the groups inside it, by id, each once; empty for an unknown group."""
        return tuple(sorted(self._members.get(group_id, ())))

    def inside(self, group_id: str) -> Set[str]:
        """The same in no order, and without making anything; to look into, not to keep."""
        return self._members.get(group_id, set())

    def holds(self, group_id: str, device_id: str) -> bool:
        """Whether the device belongs to the group, directly or through groups inside it."""
        return device_id in self._members.get(group_id, ())

    def join(self, device_id: str, group_id: str) -> bool:
        """Add a device to a group and to those around it, in place; a thousand that join one after the other are cheap.

        False, and nothing was done, where that could change who lies in whom: the device is in a group already, or
        the group lies in another one that it does not name.
        """
        around = self.ancestors(group_id)
        stated: list[str] = []
        while (above := self.groups[stated[-1] if stated else group_id].parent) is not None:
            stated.append(above)
        if around != stated or any(device_id in members for members in self._members.values()):
            return False
        group = self.groups[group_id]
        self.groups[group_id] = replace(group, members=(*group.members, device_id))
        for each in (group_id, *around):
            self._members[each].add(device_id)
        return True

    def ancestors(self, group_id: str) -> list[str]:
        """The groups around this one, innermost first."""
        found = []
        above = self.parent.get(group_id)
        while above is not None:
            found.append(above)
            above = self.parent[above]
        return found

    def around(self, device_id: str) -> list[str]:
        """The groups that hold the device, innermost first."""
        holding = [group_id for group_id, members in self._members.items() if device_id in members]
        return sorted(holding, key=lambda group_id: -len(self.ancestors(group_id)))

    def roots(self) -> list[str]:
        """The groups that lie in no other, by id."""
        return sorted(group_id for group_id, above in self.parent.items() if above is None)

    def _collect(self, group_id: str, path: tuple[str, ...]) -> set[str]:
        if group_id in path:
            raise ConfigError(f"groups lie in a circle: {' in '.join((*path, group_id))}")
        if group_id not in self._members:
            members = set(self.groups[group_id].members)
            for child in self._below.get(group_id, ()):
                members |= self._collect(child, (*path, group_id))
            self._members[group_id] = members
        return self._members[group_id]

    def _nest(self) -> None:
        """Find each group's innermost surrounding group, and refuse overlaps."""
        # From large to small; of equal ones the stated parent first, then by id: the same tree each time.
        order = sorted(
            self.groups, key=lambda group_id: (-len(self._members[group_id]), self._depth(group_id), group_id)
        )
        owner: dict[str, str] = {}
        for group_id in order:
            members = self._members[group_id]
            owners = {owner.get(device_id) for device_id in members}
            if len(owners) > 1:
                others = sorted(other for other in owners if other is not None)
                raise ConfigError(
                    f"group {group_id!r} overlaps {', '.join(map(repr, others))} without lying inside: "
                    "groups must be disjoint or nested"
                )
            above = owners.pop() if owners else self.groups[group_id].parent
            self.parent[group_id] = above
            if above is not None:
                self.children[above] = (*self.children[above], group_id)
            owner.update(dict.fromkeys(members, group_id))

    def _depth(self, group_id: str) -> int:
        depth, above = 0, self.groups[group_id].parent
        while above is not None:
            depth, above = depth + 1, self.groups[above].parent
        return depth
