"""A list that a client reads page by page, while its server may go on changing it. Pure.

Members move when one before them comes or goes, so two pages of different moments may hold one twice, or miss one
between them. What shows that is read again from the start, a few times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gridiface.protocols.xmlwire import WireObject

# How often a list is begun again; one that never holds still is taken as it came.
_BEGIN_AGAIN = 3


@dataclass(slots=True)
class Collecting:
    """The members of one list as far as they have been read.

    Attributes:
        members: so far; read: how many, with those that could not be read; 0 where the list is still to be begun.
        whole: how many the list said to have with the page before.
        begun_again: how often it had changed meanwhile.
    """

    members: list[WireObject] = field(default_factory=list)
    read: int = 0
    whole: int = 0
    begun_again: int = 0

    def take(self, shown: list[WireObject], whole: int, most: int, left_out: int = 0) -> list[WireObject] | None:
        """Take a page.

        Args:
            shown: its members.
            whole: how many the list has, as the page says.
            most: members that are wanted at most.
            left_out: members of the page that could not be read.

        Returns:
            All members, each once, or None: another page is wanted, from `read` on.
        """
        moved_on = bool(self.read) and (whole != self.whole or _repeat(self.members, shown))
        if moved_on and self.begun_again < _BEGIN_AGAIN:
            self.members, self.read = [], 0
            self.begun_again += 1
            return None
        self.members += shown
        self.read += len(shown) + left_out
        self.whole = whole
        if (shown or left_out) and self.read < min(whole, most):
            return None
        collected = _each_once(self.members)[:most]
        self.drop()
        return collected

    def drop(self) -> None:
        """Forget what was read: the list is begun anew."""
        self.members, self.read, self.begun_again = [], 0, 0


def as_before(known: Iterable[WireObject], shown: list[WireObject]) -> list[WireObject]:
    """The members of a list, those that are as they were as the same objects: whoever keeps them sees that at once."""
    before = {getattr(member, "href", None): member for member in known}
    return [old if (old := before.get(getattr(new, "href", None))) == new else new for new in shown]


def _name_of(member: WireObject) -> str | None:
    """What tells a member of a list from the others."""
    return getattr(member, "href", None) or getattr(member, "mRID", None)


def _repeat(known: Iterable[WireObject], shown: Iterable[WireObject]) -> bool:
    """Whether a page has a member of those before it."""
    names = {_name_of(member) for member in known} - {None}
    return any(_name_of(member) in names for member in shown)


def _each_once(members: list[WireObject]) -> list[WireObject]:
    """The members, each as it was shown last."""
    named = {_name_of(member) or str(place): member for place, member in enumerate(members)}
    return members if len(named) == len(members) else list(named.values())
