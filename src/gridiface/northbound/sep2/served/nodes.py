"""The nodes of the resource tree: one resource or one list each, and who may read them.

Keeps what was rendered; rendering and invalidation are the tree's (tree.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.served.kinds import Kind, ListKind

#: View of those who see everything, and of nodes that look the same to everybody.
ALL = "*"
#: Rendered copies kept per node for different views; beyond it they are made anew.
COPIES = 4096


@dataclass(slots=True)
class Audience:
    """Who may read a sub-tree: LFDIs; those who see everything need not be named.

    `anyone`: every valid certificate; `registered`: every client that is registered; `private`: not even those who
    see everything.
    """

    readers: set[str] = field(default_factory=set)
    anyone: bool = False
    registered: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose eyes a resource is rendered for."""

    lfdi: str
    registered: bool = True
    sees_all: bool = False

    @property
    def view(self) -> str:
        """Key of what this viewer sees."""
        if self.sees_all:
            return ALL
        return self.lfdi if self.registered else ""

    def may_read(self, audience: Audience) -> bool:
        """Whether this viewer belongs to the audience."""
        if audience.private:
            return self.lfdi in audience.readers
        if self.sees_all or audience.anyone:
            return True
        return self.registered and (audience.registered or self.lfdi in audience.readers)


#: Sees everything; for internal rendering.
EVERYTHING = Viewer("", sees_all=True)


class Item:
    """One resource. `obj` None: the place exists (it can be written to) but holds nothing yet.

    Attributes:
        path: absolute path, also its href.
        kind: methods, class and links of this sort of resource.
        audience: who may read it.
        data: what the handlers know of it beside the wire object.
        live: makes the object anew at each whole second instead of keeping one.
    """

    __slots__ = (
        "audience",
        "copies",
        "data",
        "kind",
        "lists",
        "live",
        "member",
        "obj",
        "path",
        "second",
        "stated",
        "views",
    )

    def __init__(
        self,
        path: str,
        kind: Kind,
        audience: Audience,
        obj: Any = None,
        *,
        data: Any = None,
        live: Callable[[Instant], Any] | None = None,
    ) -> None:
        self.path = path
        self.kind = kind
        self.audience = audience
        self.obj = obj
        self.data = data
        self.live = live
        self.stated = False
        self.lists: list[Listing] = []
        #: Those of the lists that show each viewer its own part.
        self.views: list[Listing] = []
        self.copies: dict[str, bytes] = {}
        self.member: dict[str, bytes] = {}
        self.second = 0

    def forget(self) -> None:
        """Drop rendered bytes; most of a fleet's resources have never been asked for."""
        if self.copies or self.member:
            self.copies.clear()
            self.member.clear()


class Listing:
    """One list. Members are Items, shown in the order of the kind's key.

    `scoped`: a viewer sees only the members it may read. `shown_empty`: linked to even while it has no member.
    """

    __slots__ = (
        "_by_reader",
        "_open",
        "_readers",
        "_sorted",
        "audience",
        "data",
        "items",
        "kind",
        "pages",
        "path",
        "scoped",
        "shown_empty",
        "size",
        "version",
    )

    def __init__(
        self,
        path: str,
        kind: ListKind,
        audience: Audience,
        *,
        scoped: bool = False,
        shown_empty: bool = True,
        data: Any = None,
    ) -> None:
        self.path = path
        self.kind = kind
        self.audience = audience
        self.scoped = scoped
        self.shown_empty = shown_empty
        self.data = data
        self.items: dict[str, Item] = {}
        self.version = 0
        self._sorted: dict[str, list[Item]] = {}
        self._by_reader: dict[str, dict[str, Item]] = {}
        self._open: dict[str, Item] = {}
        self._readers: dict[str, dict[str, None]] = {}
        self.pages: dict[tuple[str, Any], bytes] = {}
        self.size = 0

    def view_of(self, viewer: Viewer) -> str:
        """Which of the list's views this viewer gets."""
        return viewer.view if self.scoped else ALL

    def members(self, view: str) -> list[Item]:
        """The members of a view in list order."""
        found = self._sorted.get(view)
        if found is None:
            chosen = self.items if view == ALL else self._of(view)
            found = sorted(chosen.values(), key=self._key)
            if len(self._sorted) >= COPIES:
                self._sorted.clear()
            self._sorted[view] = found
        return found

    def _key(self, item: Item) -> Any:
        # What the standard's keys leave equal stands by its number: so it does after each change and each restart.
        return self.kind.order(item.obj), len(item.path), item.path

    def count(self, view: str) -> int:
        """How many members a view has: what `all` says."""
        if view == ALL:
            return len(self.items)
        own = len(self._by_reader.get(view, ()))
        return own + len(self._open) if view and self._open else own

    def _of(self, view: str) -> Mapping[str, Item]:
        """What one reader sees: what names it, and what every registered client may read."""
        own = self._by_reader.get(view, {})
        return {**self._open, **own} if view and self._open else own

    def forget(self) -> None:
        """Drop rendered pages and the order."""
        self.version += 1
        if self.pages or self._sorted:
            self.pages.clear()
            self._sorted.clear()
            self.size = 0

    def insert(self, item: Item) -> None:
        """Add a member to the indexes."""
        self.items[item.path] = item
        if self.scoped and item.audience.registered:
            self._open[item.path] = item
        elif self.scoped:
            self._readers[item.path] = dict.fromkeys(item.audience.readers)
            for reader in self._readers[item.path]:
                self._by_reader.setdefault(reader, {})[item.path] = item

    def admit(self, item: Item, readers: Iterable[str]) -> None:
        """More may read a member that every reader has in a view of its own."""
        known = self._readers.get(item.path)
        if known is not None:
            for reader in readers:
                known[reader] = None
                self._by_reader.setdefault(reader, {})[item.path] = item

    def dismiss(self, item: Item, readers: Iterable[str]) -> None:
        """Fewer may read a member that every reader has in a view of its own."""
        known = self._readers.get(item.path, {})
        for reader in [one for one in readers if one in known]:
            del known[reader]
            del self._by_reader[reader][item.path]
            if not self._by_reader[reader]:
                del self._by_reader[reader]

    def discard(self, item: Item) -> None:
        """Take a member out of the indexes, also of readers that it no longer has."""
        self.items.pop(item.path, None)
        self._open.pop(item.path, None)
        for reader in self._readers.pop(item.path, ()):
            del self._by_reader[reader][item.path]
            if not self._by_reader[reader]:
                del self._by_reader[reader]


Node = Item | Listing


def link_targets(item: Item) -> Mapping[str, str]:
    """Link attribute -> path, of all links that a resource of this kind may have."""
    path = item.path  # what a kind says is absolute ("/tm") or below the resource ("derc")
    return {name: where if where[0] == "/" else f"{path}/{where}" for name, where in item.kind.links.items()}


def targets(item: Item) -> list[str]:
    """The paths of both sorts of links."""
    found = list(link_targets(item).values())
    if item.kind.free:
        found += free_targets(item).values()
    return found


def free_targets(item: Item) -> Mapping[str, str]:
    """Link attribute -> path, of the links that the writer of a resource chose."""
    if not item.kind.free or item.obj is None:
        return {}
    chosen = ((attribute, getattr(item.obj, attribute, None)) for attribute in item.kind.free)
    return {attribute: link.href for attribute, link in chosen if link is not None}
