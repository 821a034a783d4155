"""A long list, one page at a time, with the same search on every page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from gridiface.operator.schema import LONGEST_ID

T = TypeVar("T")

#: Rows of one page, unless a screen says otherwise.
SIZE = 50


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """One page of a list.

    Attributes:
        rows: of this page.
        total: of all pages.
        page, pages: this one and how many there are, from 1.
        first: number of the first row, from 1; 0: there is none.
        path, given: where the list is, and what was searched for.
        open: there are more than `total`; how many is not counted.
    """

    rows: Sequence[T]
    total: int
    page: int
    pages: int
    first: int
    path: str
    given: Mapping[str, str]
    open: bool = False

    @property
    def last(self) -> int:
        """Number of the last row."""
        return self.first + len(self.rows) - 1 if self.rows else 0

    def link(self, page: int) -> str:
        """The address of another page of the same search."""
        query = urlencode({**{name: value for name, value in self.given.items() if value}, "page": page})
        return f"{self.path}?{query}"

    def with_rows(self, change: Callable[[T], Any]) -> Paged[Any]:
        """The same page with other rows: what costs something is made for the rows that are shown."""
        rows = [change(row) for row in self.rows]
        return Paged(rows, self.total, self.page, self.pages, self.first, self.path, self.given, self.open)


def page_number(query: Mapping[str, str]) -> int:
    """The page that a query asks for; what cannot be is the first."""
    text = query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def paged(
    rows: Sequence[T], query: Mapping[str, str], path: str, keep: Iterable[str] = (), size: int = SIZE
) -> Paged[T]:
    """The page of `rows` that a query asks for; one beyond the last is the last.

    Args:
        rows: all that fit.
        query: of the request.
        path: of the list.
        keep: fields of the query that belong to the search.
        size: rows of one page.
    """
    pages = max(1, -(-len(rows) // size))
    page = min(page_number(query), pages)
    begin = (page - 1) * size
    given = {name: query.get(name, "")[:LONGEST_ID] for name in keep}
    return Paged(rows[begin : begin + size], len(rows), page, pages, begin + 1 if rows else 0, path, given)


def counted_page(
    rows: Sequence[T], total: int, query: Mapping[str, str], path: str, keep: Iterable[str] = (), size: int = SIZE
) -> Paged[T]:
    """The page that a query asks for, of which a list gave its rows and how many there are in all.

    Args:
        rows: from `page_start` on, at most `size`.
        total: of all pages.
        query, path, keep, size: see paged.
    """
    pages, page = max(1, -(-total // size)), page_number(query)
    given = {name: query.get(name, "")[:LONGEST_ID] for name in keep}
    first = page_start(query, size) + 1 if rows else 0
    return Paged(rows, total, min(page, pages), pages, first, path, given)


def one_page(
    rows: Sequence[T], query: Mapping[str, str], path: str, keep: Iterable[str] = (), size: int = SIZE
) -> Paged[T]:
    """The page that a query asks for, of which the store gave its rows and one more where others follow.

    Args:
        rows: from `page_start` on, at most `size + 1`.
        query, path, keep, size: see paged.
    """
    page, begin, more = page_number(query), page_start(query, size), len(rows) > size
    given = {name: query.get(name, "")[:LONGEST_ID] for name in keep}
    shown = rows[:size]
    total, first = (begin + len(shown), begin + 1) if shown else (0, 0)
    return Paged(shown, total, page, page + more, first, path, given, more)


def page_start(query: Mapping[str, str], size: int = SIZE) -> int:
    """How many rows come before the page that a query asks for."""
    return (page_number(query) - 1) * size


def words(text: str) -> str:
    """What a reader searches for as the API takes it: without what cannot be in any text."""
    return "".join(sign for sign in text if sign.isprintable())[:256]


def has(text: str, *values: object) -> bool:
    """Whether one of the values contains a text, without regard to case; an empty text fits all."""
    wanted = text.lower()
    return not wanted or any(wanted in str(value).lower() for value in values if value is not None)
