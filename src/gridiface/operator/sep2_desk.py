"""What the IEEE 2030.5 areas share: a port, audited acts, and the wire's refusals in the API's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from gridiface.domain.changes import Change
from gridiface.domain.fleet import Role
from gridiface.errors import ConfigConflict, ConfigError, LocalProtocolError, RemoteProtocolError
from gridiface.operator.api.routing import Call
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import Search

_T = TypeVar("_T")

#: Statuses of the wire that an API has too; all others are "your request makes no sense".
_SAME = frozenset({404, 409, 413})


class DevicesPort(Protocol):
    """End devices, rates, mirrors and subscriptions of our server; northbound.sep2 has it."""

    def find_end_devices(self, text: str, role: str, start: int, limit: int) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Those that fit, by number, from `start` on; and how many fit."""
        ...

    def end_device(self, lfdi: str) -> Mapping[str, Any] | None:
        """One with its PIN, or None."""
        ...

    async def ensure_end_device(
        self, lfdi: str, *, device: str | None, pin: int | None, role: Role | None, along: Sequence[Change]
    ) -> tuple[Mapping[str, Any], bool]:
        """The registration, made where there is none; and whether it is new. None: as it is registered."""
        ...

    async def remove_end_device(self, lfdi: str, *, along: Sequence[Change]) -> bool:
        """Take a registration away; False where there is none."""
        ...

    async def manage(self, lfdi: str, device: str, *, along: Sequence[Change]) -> tuple[Mapping[str, Any], bool]:
        """Put a device under an aggregator; the device, and whether that is new."""
        ...

    async def release(self, lfdi: str, device: str, *, along: Sequence[Change]) -> Mapping[str, Any]:
        """Take a device from an aggregator."""
        ...

    async def set_access(self, lfdi: str, *, granted: bool, along: Sequence[Change]) -> None:
        """Let a certificate in, or not."""
        ...

    def poll_rates(self) -> Mapping[str, int]:
        """PollRate by resource, s."""
        ...

    async def set_poll_rate(self, resource: str, seconds: int, *, along: Sequence[Change]) -> None:
        """Of all resources of a name."""
        ...

    async def set_post_rate(self, lfdi: str, seconds: int, *, along: Sequence[Change]) -> None:
        """Of an end device and its mirrors."""
        ...

    async def empty_mirrors(self, lfdi: str | None, *, along: Sequence[Change]) -> int:
        """Forget mirrors; how many."""
        ...

    def find_subscriptions(self, text: str, start: int, limit: int) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Those that fit, from `start` on; and how many fit."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How many end devices, programs, controls, active ones and subscriptions there are."""
        ...

    def cancel_subscription(self, path: str) -> bool:
        """End one with status 1; False where there is none."""
        ...

    async def reset(self, *, by: str, along: Sequence[Change]) -> Mapping[str, int]:
        """Back to the start; how many of what are gone."""
        ...


def first_of(query: Search) -> int:
    """Which row a page begins with, from 0."""
    return (int(query.after) if query.after.isdecimal() and len(query.after) < 10 else 0) + query.skip


def next_of(first: int, shown: int, total: int) -> str | None:
    """What `after` is for the page that follows; None: it was the last."""
    return str(first + shown) if shown and first + shown < total else None


async def acted(
    call: Call[Any, Any],
    what: str,
    subject: str,
    act: Callable[[list[Change]], Awaitable[_T]],
    *,
    after: Any = None,
    reason: str = "",
) -> _T:
    """Carry an act out with its audit entry, durable with the act's first change.

    Raises:
        Refused: what the server refuses, with its reason; 409 what stands against what is there.
        StoreUnavailable: nothing was changed.
    """
    entry = Entry(at=call.now, who=call.caller.name, what=what, subject=subject, after=after, reason=reason)
    try:
        done = await act([entry.change()])
    except RemoteProtocolError as problem:
        raise refused(problem) from problem
    except LocalProtocolError as problem:
        raise Refused(422, str(problem), "leave out what XML cannot carry") from problem
    except ConfigConflict as problem:
        raise Refused(409, str(problem), "leave out what differs, or take it away first") from problem
    except ConfigError as problem:
        raise Refused(422, str(problem), "GET shows what there is") from problem
    entry.log()
    return done


def refused(problem: RemoteProtocolError) -> Refused:
    """The wire's refusal as the API's."""
    status = int(problem.answer)
    return Refused(
        status if status in _SAME else 422, str(problem), "see docs/reference/sep2-resources.md for what fits"
    )


def shown(look: Callable[[], _T]) -> _T:
    """What a look-up finds.

    Raises:
        Refused: 404 where nothing is.
    """
    try:
        return look()
    except RemoteProtocolError as problem:
        raise refused(problem) from problem
