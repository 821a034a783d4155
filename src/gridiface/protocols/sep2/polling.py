"""The client's picture of a server: resources found by links, each fetched again when its pollRate says so.

Owns discovery, paging, poll times and back-off of GETs. Does not own what links are (links.py), writes (outbox.py) nor
what the resources mean (client.py). Pure: `now` is an argument, requests are values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from urllib.parse import urljoin, urlsplit

from gridiface.protocols.sep2.collecting import Collecting, as_before
from gridiface.protocols.sep2.links import kind_of_link, links_of, without_default_port
from gridiface.protocols.sep2.primitives import DEFAULT_POLL_RATE
from gridiface.protocols.sep2.resources import ELEMENTS, Link, List, SubscribableList
from gridiface.protocols.sep2.timetable import Timetable
from gridiface.protocols.xmlwire import WireObject

_SHORTEST_POLL = 1
# A pollRate may be of any size; a client that follows one of years would never hear of the server's mending it.
_LONGEST_POLL = 86_400
# How often a resource whose link leads nowhere is polled for that; from then on its own poll rate is enough.
_LOOKS = 3
_MOST_DANGLING = 100_000
#: A path that means itself, whatever it is relative to.
_PLAIN_PATH = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9_~/-]*)?\Z")
_NO_LINKS: frozenset[tuple[str, type[WireObject]]] = frozenset()
AnyList = List | SubscribableList


@dataclass(slots=True)
class Node:
    """One resource that the client keeps up to date.

    Attributes:
        href: absolute path; kind: its type; parent: href of the resource that links to it.
        value: as last fetched whole; previous: as it was before.
        next_at: when it is due (s, own clock), see ResourceTree.schedule; fetched_at: when it was last fetched whole.
        in_flight: a request is under way; failures: unanswered ones in a row.
        pages: what was read so far of a list that does not come in one answer.
        links: where it leads to, None while that is to be found out.
        asked_at: earliest time that somebody wanted it at while a request was under way.
        digest: of the answer that `value` was made of, where it came in one.
    """

    href: str
    kind: type[WireObject]
    parent: str | None
    next_at: float
    value: WireObject | None = None
    previous: WireObject | None = None
    fetched_at: float = float("-inf")
    in_flight: bool = False
    failures: int = 0
    pages: Collecting = field(default_factory=Collecting)
    links: frozenset[tuple[str, type[WireObject]]] | None = _NO_LINKS
    asked_at: float | None = None
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after failures: `first` s, doubled each time up to `longest`, with +-20 % of chance."""

    first: float = 2.0
    longest: float = 300.0

    def delay(self, failures: int, chance: Random, wanted: float | None = None) -> float:
        """Seconds to wait after `failures` failures in a row (at least 1).

        Args:
            failures: in a row.
            chance: of the jitter.
            wanted: what the server asked for instead; less than `first` is not believed, since a server that is in
                trouble and says 0 would be asked without a pause.
        """
        if wanted is not None:
            return max(wanted, self.first)
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 16)) * chance.uniform(0.8, 1.2)


@dataclass(frozen=True, slots=True)
class Dangling:
    """A link behind which nothing was found, `times` in a row; it is not followed before `again` (s, own clock)."""

    times: int
    again: float


@dataclass(slots=True)
class ResourceTree:
    """The resources reachable from the device capability by the links that `wants` lets through.

    Attributes:
        root: path of the DeviceCapability.
        authority: host[:port] of the server; links to others are left alone.
        wants: (resource that links, name of the link) -> whether to follow it.
        chance: source of the back-off's jitter.
        page_size: members asked for at once.
        moved: path that links name -> path where the server has sent us instead.
        most_members: of one list; what is beyond is left out, so that a server cannot fill our memory.
        most_nodes: resources in all; links beyond are not followed.
        shortest_poll: least seconds between two polls of a resource, whatever its pollRate says.
        rates: seconds between polls of single resources, by path, where others than the server's are wanted.
        dangling: links behind which nothing was found, by path.
        reads: resources that were read so far, the same one each time.
    """

    root: str
    authority: str
    wants: Callable[[WireObject, str], bool]
    chance: Random
    page_size: int = 255
    backoff: Backoff = field(default_factory=Backoff)
    nodes: dict[str, Node] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    most_members: int = 100_000
    most_nodes: int = 500_000
    shortest_poll: float = _SHORTEST_POLL
    rates: dict[str, float] = field(default_factory=dict)
    dangling: dict[str, Dangling] = field(default_factory=dict)
    reads: int = 0
    _timetable: Timetable[Node] = field(init=False)

    def __post_init__(self) -> None:
        self._timetable = Timetable(lambda node: not node.in_flight and self.nodes.get(node.href) is node)
        self._add(Node(self.root, ELEMENTS["DeviceCapability"], None, float("-inf")))

    def due(self, now: float, most: int | None = None) -> list[Node]:
        """The resources to fetch now, longest due first, `most` of them at most."""
        return self._timetable.due(now, most)

    def next_due(self) -> float | None:
        """When the next resource is due, or None while all are under way."""
        return self._timetable.next_due()

    def schedule(self, node: Node, at: float) -> None:
        """Have a resource fetched at `at` and not before; whoever sets `next_at` does it here."""
        node.next_at = at
        self._timetable.put(node, at)

    def target(self, node: Node) -> str:
        """What to GET for `node`: lists are asked for page by page."""
        if not issubclass(node.kind, AnyList):
            return node.href
        joint = "&" if "?" in node.href else "?"
        return f"{node.href}{joint}s={node.pages.read}&l={self.page_size}"

    def store(self, node: Node, value: WireObject, now: float, left_out: int = 0) -> list[Node] | None:
        """Take an answer; what nothing links to any more, or None: another page is due at once.

        Args:
            node: what it is an answer for.
            value: what it holds.
            now: own clock, s.
            left_out: members of a list that it holds too, and that cannot be read.
        """
        node.digest = b""
        if isinstance(value, AnyList):
            whole = self._collect(node, value, left_out)
            if whole is None:
                node.in_flight, node.failures = False, 0
                self.schedule(node, now)
                return None
            value = whole
        before = self._linked(node)
        was = node.value
        if node.value != value:
            node.value, node.links = value, None
        self.keep(node, now)
        node.previous = was
        return self._sweep() if before - self._linked(node) else []

    def keep(self, node: Node, now: float) -> None:
        """The answer is that the resource is as it was."""
        node.in_flight, node.failures = False, 0
        self.reads += 1
        self.dangling.pop(node.href, None)
        node.previous, node.fetched_at = node.value, now
        due, node.asked_at = node.asked_at, None
        regular = now + self.poll_rate(node)
        self.schedule(node, regular if due is None else min(due, regular))
        self._follow(node, self._linked(node), now)

    def fail(self, node: Node, now: float, retry_after: float | None = None) -> None:
        """A GET had no usable answer: try again later."""
        node.in_flight, node.asked_at = False, None
        node.failures += 1
        node.pages.drop()
        self.schedule(node, now + self.backoff.delay(node.failures, self.chance, retry_after))

    def answers_again(self, now: float) -> None:
        """The server was away and is there: what it left unanswered is asked for soon, not when that was put off to."""
        for node in self.nodes.values():
            if node.failures and not node.in_flight:
                self.schedule(node, min(node.next_at, now + self.chance.uniform(0.0, self.backoff.first)))

    def try_root(self, now: float) -> None:
        """The server is away: ask for the device capability, to see whether it is back."""
        node = self.nodes[self.root]
        if not node.in_flight:
            self.schedule(node, min(node.next_at, now))

    def gone(self, node: Node, now: float) -> list[Node]:
        """The server says that the resource is not there: forget it, and look at its parent again.

        A parent that still links to it would send us round in circles, so the link is followed again later and later.

        Returns:
            What is forgotten with it because nothing else links to it.
        """
        if node.parent is None:
            self.fail(node, now)
            return []
        self.nodes.pop(node.href, None)
        known = self.dangling.pop(node.href, None)
        times = 1 if known is None else known.times + 1
        again = now + self.backoff.delay(times, self.chance)
        self.dangling[node.href] = Dangling(times, again)
        if len(self.dangling) > _MOST_DANGLING:
            del self.dangling[next(iter(self.dangling))]
        if times <= _LOOKS:
            self.poll_soon(node.parent, again)
        return self._sweep()

    def is_absent(self, link: Link) -> bool:
        """Whether there is nothing behind a link, also on a second look."""
        href = self.resolve(link.href)
        lost = None if href is None else self.dangling.get(href)
        return lost is not None and lost.times > _LOOKS

    def move_server(self, authority: str, root: str) -> None:
        """The whole server is elsewhere now: everything known of the old place is forgotten, and found anew."""
        self.authority, self.root = authority, root
        self.nodes.clear()
        self.moved.clear()
        self.dangling.clear()
        self._timetable.clear()
        self._add(Node(root, ELEMENTS["DeviceCapability"], None, float("-inf")))

    def move(self, node: Node, href: str, at: float = float("-inf")) -> None:
        """The server sends us elsewhere: links to the old place mean the new one, as long as it is there.

        Args:
            at: when to look there.
        """
        self.nodes.pop(node.href, None)
        self.moved = {old: href if new == node.href else new for old, new in self.moved.items() if old != href}
        self.moved[node.href] = href
        if node.parent is None:
            self.root = href
        node.href = href
        for known in self.nodes.values():
            known.links = None
        node.links = None
        node.in_flight, node.next_at = False, at
        self._add(node)

    def shift_time(self, seconds: float) -> None:
        """The clock was set by so many seconds: everything that is due keeps its distance."""
        self._timetable.clear()
        self.dangling = {href: Dangling(one.times, one.again + seconds) for href, one in self.dangling.items()}
        for node in self.nodes.values():
            node.fetched_at += seconds
            self.schedule(node, node.next_at + seconds)

    def poll_soon(self, href: str, at: float) -> None:
        """Have `href` fetched at `at` at the latest.

        An answer that is under way may have been made before whatever calls for this, so there will be another.
        """
        node = self.nodes.get(href)
        if node is None:
            return
        if node.in_flight:
            node.asked_at = at if node.asked_at is None else min(node.asked_at, at)
        elif at < node.next_at:
            self.schedule(node, at)

    def poll_all(self, at: float) -> None:
        """Have everything fetched at `at` at the latest."""
        for href in list(self.nodes):
            self.poll_soon(href, at)

    def poll_rate(self, node: Node) -> float:
        """Seconds between polls, a day at most: the resource's own, else that of what links to it, else 900."""
        if node.href in self.rates:
            return self.rates[node.href]
        current: Node | None = node
        while current is not None:
            if current.value is not None and hasattr(current.value, "pollRate"):
                rate = getattr(current.value, "pollRate", None)
                return min(max(self.shortest_poll, DEFAULT_POLL_RATE if rate is None else rate), _LONGEST_POLL)
            current = None if current.parent is None else self.nodes.get(current.parent)
        return DEFAULT_POLL_RATE

    def value(self, link: Link | None) -> WireObject | None:
        """What is known behind a link."""
        href = None if link is None else self.resolve(link.href)
        node = None if href is None else self.nodes.get(href)
        return None if node is None else node.value

    def value_at(self, href: str) -> WireObject | None:
        """What is known at a path."""
        node = self.nodes.get(href)
        return None if node is None else node.value

    def resolve(self, href: str) -> str | None:
        """The path (with query) that `href` means on this server, or None when it is on another."""
        if _PLAIN_PATH.match(href):
            return self.moved.get(href, href)
        try:
            parts = urlsplit(urljoin(f"https://{self.authority}{self.root}", href))
        except ValueError:
            return None
        if without_default_port(parts.netloc) != without_default_port(self.authority) or parts.scheme not in {
            "http",
            "https",
        }:
            return None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self.moved.get(path, path)

    def _collect(self, node: Node, part: AnyList, left_out: int) -> WireObject | None:
        collected = node.pages.take(getattr(part, "members", []), part.all, self.most_members, left_out)
        if collected is None:
            return None
        collected = as_before(getattr(node.value, "members", ()), collected)
        return replace(part, members=collected, results=len(collected))  # type: ignore[call-arg]  # every list has members

    def _add(self, node: Node) -> None:
        self.nodes[node.href] = node
        self._timetable.put(node, node.next_at)

    def _follow(self, node: Node, linked: Iterable[tuple[str, type[WireObject]]], now: float) -> None:
        for href, kind in sorted((link for link in linked if link[0] not in self.nodes), key=lambda link: link[0]):
            lost = self.dangling.get(href)
            if lost is not None and now < lost.again:
                continue
            if href not in self.nodes and len(self.nodes) < self.most_nodes:
                self._add(Node(href, kind, node.href, now))

    def _linked(self, node: Node) -> frozenset[tuple[str, type[WireObject]]]:
        if node.links is None:
            node.links = frozenset(self._links(node))
        return node.links

    def _links(self, node: Node) -> Iterator[tuple[str, type[WireObject]]]:
        if node.value is None:
            return
        for holder in (node.value, *getattr(node.value, "members", ())):
            for name, link in links_of(holder):
                kind = kind_of_link(name)
                href = self.resolve(link.href)
                if kind is not None and href is not None and self.wants(holder, name):
                    yield href, kind

    def _sweep(self) -> list[Node]:
        """Forget what nothing links to any more; what that is."""
        reached: set[str] = set()
        waiting = [self.root]
        while waiting:
            href = waiting.pop()
            if href in reached or href not in self.nodes:
                continue
            reached.add(href)
            waiting += [link for link, _ in self._linked(self.nodes[href])]
        forgotten = [self.nodes.pop(href) for href in self.nodes.keys() - reached]
        self.moved = {old: new for old, new in self.moved.items() if new in reached}
        return forgotten
