"""The resource tree in memory: what is served, and the bytes of it.

Owns the nodes by path, links between them, and rendered bytes with exact invalidation. Does not own persistence, HTTP,
or any rule about a function set: the state and handlers do.

A rendered resource is kept until it, a count it shows, or a link target's existence changes; a list page until the
list or one of its members changes. Nothing here awaits, so every change becomes visible at once and whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.served.kinds import ListKind
from gridiface.northbound.sep2.served.nodes import (
    ALL,
    COPIES,
    Audience,
    Item,
    Listing,
    Node,
    Viewer,
    free_targets,
    link_targets,
    targets,
)
from gridiface.protocols.sep2.resources import Link, ListLink, Resource
from gridiface.protocols.xmlwire import encode, encode_list, encode_member

#: Octets of rendered pages kept per list.
_PAGE_OCTETS = 8 * 1024 * 1024


class Tree:
    """All nodes by path.

    Args:
        poll_rate: pollRate in seconds by resource name.
        subscriptions: whether resources say that they can be subscribed to.
    """

    def __init__(self, poll_rate: Callable[[str], int], *, subscriptions: bool = False) -> None:
        self._nodes: dict[str, Node] = {}
        self._poll_rate = poll_rate
        self._subscriptions = subscriptions
        self._below: dict[str, set[str]] = {}
        # who links to a path, whether anything is there or not
        self._holders: dict[str, dict[str, Item]] = {}
        #: Paths of which `on_change(path, changed member or None)` and `on_removed(path)` are told.
        self.watched: set[str] = set()
        self.on_change: Callable[[str, str | None], None] = lambda path, member: None
        self.on_removed: Callable[[str], None] = lambda path: None
        #: What a profile shows of a kind of resource beside what it is, by template; made of what its lists hold.
        self.beside: dict[str, Callable[[Tree, Item], dict[str, Any]]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, path: str) -> Node | None:
        """The node at exactly this path."""
        return self._nodes.get(path)

    def item(self, path: str) -> Item | None:
        """The resource at this path, when it is one."""
        node = self._nodes.get(path)
        return node if isinstance(node, Item) else None

    def listing(self, path: str) -> Listing | None:
        """The list at this path, when it is one."""
        node = self._nodes.get(path)
        return node if isinstance(node, Listing) else None

    def below(self, *paths: str) -> Iterator[str]:
        """These paths and all below them."""
        for path in paths:
            yield path
            yield from self.below(*self._below.get(path, ()))

    def holders(self, path: str) -> list[Item]:
        """The resources that link to a path, or would if anything were there."""
        return list(self._holders.get(path, {}).values())

    # --- changes ------------------------------------------------------------------------------------------------

    def add(self, node: Node, *lists: str) -> None:
        """Put a node in, and an Item into the lists at these paths."""
        self._nodes[node.path] = node
        self._below.setdefault(_parent(node.path), set()).add(node.path)
        if isinstance(node, Item):
            _place(node)
            for target in targets(node):
                self._holders.setdefault(target, {})[node.path] = node
            for path in lists:
                self.join(node, path)
        self._link_changed(node.path)

    def join(self, item: Item, list_path: str) -> None:
        """Make an Item a member of one more list."""
        owner = self.listing(list_path)
        if owner is not None and item.path not in owner.items:
            owner.insert(item)
            item.lists.append(owner)
            if owner.scoped:
                item.views.append(owner)
            owner.forget()
            self._tell(owner.path)
            self._link_changed(owner.path)

    def leave(self, item: Item, list_path: str) -> None:
        """Take an Item out of one of its lists."""
        owner = self.listing(list_path)
        if owner is not None and item.path in owner.items:
            owner.discard(item)
            item.lists.remove(owner)
            if owner.scoped:
                item.views.remove(owner)
            owner.forget()
            self._tell(owner.path)
            self._link_changed(owner.path)

    def set(self, item: Item, obj: Any, *, quiet: bool = False) -> None:
        """Give an Item a new object (None empties the place); `quiet`: nobody is told."""
        appeared = (item.obj is None) != (obj is None)
        for target in free_targets(item).values():
            self._holders.get(target, {}).pop(item.path, None)
        item.obj = obj
        _place(item)
        for target in free_targets(item).values():
            self._holders.setdefault(target, {})[item.path] = item
        self.touch(item)
        if obj is None and item.path in self.watched:
            self.on_removed(item.path)
        elif self.watched and not quiet:
            self._tell(item.path)
            for owner in item.lists:
                self._tell(owner.path, item.path)
        if appeared:
            self._link_changed(item.path)

    def touch(self, item: Item) -> None:
        """Something that the Item shows has changed."""
        item.forget()
        for owner in item.lists:
            owner.forget()

    def touch_list(self, owner: Listing) -> None:
        """Something that every page of the list shows has changed."""
        owner.forget()
        self._tell(owner.path)
        self._link_changed(owner.path)

    def forget_all(self) -> None:
        """Something that many resources show has changed."""
        for node in self._nodes.values():
            node.forget()

    def remove(self, path: str) -> None:
        """Take the node at `path` and everything below it out."""
        for child in list(self._below.get(path, ())):
            self.remove(child)
        node = self._nodes.pop(path, None)
        self._below.get(_parent(path), set()).discard(path)
        self._below.pop(path, None)
        if isinstance(node, Listing):
            for member in node.items.values():
                member.lists.remove(node)
                if node.scoped:
                    member.views.remove(node)
        if isinstance(node, Item):
            for target in targets(node):
                self._holders.get(target, {}).pop(node.path, None)
            for owner in list(node.lists):
                self.leave(node, owner.path)
        if node is not None:
            self._link_changed(path)
            if path in self.watched:
                self.on_removed(path)

    def readers_changed(self, audience: Audience, within: Iterable[str]) -> None:
        """The readers of an audience were changed: index its members anew, drop what was rendered for others.

        Args:
            audience: whose readers.
            within: the paths at which it is used.
        """
        for path in within:
            node = self._nodes.get(path)
            if isinstance(node, Item) and node.audience is audience:
                for owner in node.lists:
                    owner.discard(node)
                    owner.insert(node)
                    owner.forget()
                    self._tell(owner.path)
                    self._link_changed(owner.path)

    def readers_added(self, audience: Audience, readers: Collection[str], within: Iterable[str]) -> None:
        """As `readers_changed`, where these came and nobody went: what others see stays as it is."""
        for node, owner in self._views_of(audience, within):
            owner.admit(node, readers)
            self._view_changed(owner)

    def readers_gone(self, audience: Audience, readers: Collection[str], within: Iterable[str]) -> None:
        """As `readers_changed`, where these went and nobody came: what others see stays as it is."""
        for node, owner in self._views_of(audience, within):
            owner.dismiss(node, readers)
            self._view_changed(owner)

    def _views_of(self, audience: Audience, within: Iterable[str]) -> Iterator[tuple[Item, Listing]]:
        """The members of an audience at these paths, each with the lists that show every reader its own."""
        for path in within:
            node = self._nodes.get(path)
            if isinstance(node, Item) and node.audience is audience:
                for owner in node.views:
                    yield node, owner

    def _view_changed(self, owner: Listing) -> None:
        owner.forget()
        self._tell(owner.path)
        self._link_changed(owner.path)

    def _tell(self, path: str, member: str | None = None) -> None:
        """A resource itself changed; that a link target came or went, or a count, is no change of its holder."""
        if path in self.watched:
            self.on_change(path, member)

    def _link_changed(self, path: str) -> None:
        for holder in self._holders.get(path, {}).values():
            self.touch(holder)

    # --- rendering ----------------------------------------------------------------------------------------------

    def document(self, item: Item, viewer: Viewer, now: Instant) -> bytes:
        """The body of a GET of one resource; its place must hold something."""
        if item.live is not None and item.second != int(now):
            item.obj = item.live(now)
            item.second = int(now)
            item.forget()
        view = viewer.view if item.kind.per_view else ALL
        body = item.copies.get(view)
        if body is None:
            if len(item.copies) >= COPIES:
                item.copies.clear()
            body = encode(self.complete(item, viewer))
            item.copies[view] = body
        return body

    def complete(self, item: Item, viewer: Viewer) -> Resource:
        """The object of an Item with href, pollRate and the links that lead somewhere."""
        kind = item.kind
        changes: dict[str, Any] = {"href": item.path}
        if kind.polled:
            changes["pollRate"] = self._poll_rate(kind.name)
        if kind.subscribable and self._subscriptions:
            changes["subscribable"] = kind.subscribable
        for attribute, target in link_targets(item).items():
            changes[attribute] = self._link(target, viewer)
        for attribute, target in free_targets(item).items():
            shown_link = self._link(target, viewer)
            if shown_link is not None or attribute not in kind.demanded:
                changes[attribute] = shown_link
        more = self.beside.get(kind.template)
        if more is not None:
            changes |= more(self, item)
        shown: Resource = replace(item.obj, **changes)
        return shown

    def _link(self, path: str, viewer: Viewer) -> Link | ListLink | None:
        node = self._nodes.get(path)
        if node is None or not viewer.may_read(node.audience):
            return None
        if isinstance(node, Item):
            return Link(href=path) if node.obj is not None or node.live is not None else None
        count = node.count(node.view_of(viewer))
        return ListLink(href=path, all=count) if count or node.shown_empty else None

    def page(
        self, owner: Listing, viewer: Viewer, key: Hashable, choose: Callable[[Sequence[Item]], Sequence[Item]]
    ) -> bytes:
        """The body of a GET of a list.

        Args:
            owner: the list.
            viewer: who asks.
            key: what identifies the page beside list and view.
            choose: the members of the page out of all that the viewer may see; only asked when nothing is kept.
        """
        view = owner.view_of(viewer)
        body = owner.pages.get((view, key))
        if body is None:
            body = self._render_page(owner, viewer, choose(owner.members(view)))
            if owner.size > _PAGE_OCTETS:
                owner.pages.clear()
                owner.size = 0
            owner.pages[view, key] = body
            owner.size += len(body)
        return body

    def list_object(self, owner: Listing, viewer: Viewer, limit: int) -> Resource:
        """The first `limit` members of a list as one object, as a GET would show them."""
        chosen = owner.members(owner.view_of(viewer))[:limit]
        shown: Resource = self._list_head(owner, viewer, len(chosen))
        shown.members = [self.complete(item, viewer) for item in chosen]  # type: ignore[attr-defined]  # each list type has members
        return shown

    def _list_head(self, owner: Listing, viewer: Viewer, results: int) -> Any:
        kind = owner.kind
        extra: dict[str, Any] = {}
        if kind.polled:
            extra["pollRate"] = self._poll_rate(kind.name)
        if kind.subscribable and self._subscriptions:
            extra["subscribable"] = kind.subscribable
        return kind.cls(href=owner.path, all=owner.count(owner.view_of(viewer)), results=results, **extra)

    def _render_page(self, owner: Listing, viewer: Viewer, chosen: Sequence[Item]) -> bytes:
        kind = owner.kind
        head = self._list_head(owner, viewer, len(chosen))
        return encode_list(head, [self._member_bytes(item, kind, viewer) for item in chosen])

    def _member_bytes(self, item: Item, kind: ListKind, viewer: Viewer) -> bytes:
        view = viewer.view if item.kind.per_view else ALL
        body = item.member.get(view)
        if body is None:
            body = encode_member(self.complete(item, viewer), owner=kind.cls)
            item.member[view] = body
        return body


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _place(item: Item) -> None:
    """Some lists are ordered by href, so the object carries its own."""
    if item.obj is not None:
        item.obj.href = item.path
