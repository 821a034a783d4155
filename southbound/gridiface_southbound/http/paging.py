"""A list that an API gives in pages, read to its end as one answer.

Owned here: which page follows, and when there is none. Not owned: one request (link, render), what is in it (driver).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from yarl import URL

from gridiface.errors import DeviceRejected
from gridiface_southbound.http.render import Rendered
from gridiface_southbound.http.table import Pages, Request
from gridiface_southbound.points.template import MISSING, find, spoken

#: One request: its document; raises as `HttpLink.fetch`.
Fetch = Callable[[Request, Rendered], Awaitable[Any]]


async def whole(fetch: Fetch, request: Request, first: Rendered, base: str) -> Any:
    """The answer to a request; of one that comes in pages the first, its list made longer by those of the others.

    Args:
        fetch: makes one request.
        request: what is asked.
        first: it, as it goes out.
        base: where the API begins; no page leads to another server.

    Raises:
        DeviceTimeout, DeviceRejected: as `fetch`; or a page has no list, they lead in a circle or elsewhere, or there
            are too many.
    """
    document = await fetch(request, first)
    pages = request.pages
    if pages is None:
        return document
    items = _list(pages, document, request)
    page, current = list(items), document
    asked, number, seen = first, 1, {_place(first)}
    while (asked_next := _following(pages, current, page, asked, first, number, len(items), base)) is not None:
        if _place(asked_next) in seen:
            raise DeviceRejected(f"request {request.name}: its pages lead in a circle after {number}")
        if number >= pages.most:
            raise DeviceRejected(f"request {request.name}: more than {pages.most} pages")
        seen.add(_place(asked_next))
        asked, number, before = asked_next, number + 1, page
        current = await fetch(request, asked)
        page = _list(pages, current, request)
        if pages.next is None and page == before:
            break  # some give their last page for every number behind it
        items.extend(page)
    return document


def _list(pages: Pages, document: Any, request: Request) -> list[Any]:
    found = find(document, pages.items)
    if not isinstance(found, list):
        raise DeviceRejected(f"request {request.name}: {pages.items or 'the answer'} is no list")
    return found


def _following(
    pages: Pages, document: Any, page: list[Any], asked: Rendered, first: Rendered, number: int, had: int, base: str
) -> Rendered | None:
    """The request for the next page; None: there is none."""
    if pages.next is None:
        if not page:
            return None
        name = pages.number or pages.offset or ""
        value = str(had if pages.offset else pages.first + number)
        return _with(first, name, value)
    seen = find(document, pages.next)
    if seen is MISSING or seen is None or seen is False or seen == "":
        return None
    if isinstance(seen, list | dict):
        raise DeviceRejected(f"{pages.next} leads to no page: it is no text")
    if pages.query is not None:
        return _with(first, pages.query, spoken(seen))
    return replace(first, query=(), url=_same_server(asked.url or base.rstrip("/") + first.path, spoken(seen), base))


def _same_server(here: str, link: str, base: str) -> str:
    """The URL that a link leads to; our credentials go with it, so to another server none is followed."""
    try:
        target = urljoin(here, link)
        there, ours = URL(target), URL(base)
        same = (there.scheme, there.host, there.port) == (ours.scheme, ours.host, ours.port)
    except ValueError:
        target, same = link, False
    if not same:
        raise DeviceRejected(f"its next page leads to another server: {target[:100]}")
    return target


def _with(first: Rendered, name: str, value: str) -> Rendered:
    return replace(first, query=(*((key, old) for key, old in first.query if key != name), (name, value)))


def _place(asked: Rendered) -> tuple[str, tuple[tuple[str, str], ...]]:
    return asked.url or asked.path, asked.query
