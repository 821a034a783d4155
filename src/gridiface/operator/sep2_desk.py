"""What the IEEE 2030.5 areas share: a port, audited acts, and the wire's refusals in the API's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from gridiface.domain.fleet import Role
from gridiface.domain.ports import Change
from gridiface.errors import ConfigError, RemoteProtocolError
from gridiface.operator.audit import Entry
from gridiface.operator.problems import Refused
from gridiface.operator.routing import Call

_T = TypeVar("_T")

#: Statuses of the wire that an API has too; all others are "your request makes no sense".
_SAME = frozenset({404, 409, 413})


class DevicesPort(Protocol):
    """End devices, rates, mirrors and subscriptions of our server; northbound.sep2 has it."""

    def end_devices(self) -> Sequence[Mapping[str, Any]]:
        """All, by number."""
        ...

    def end_device(self, lfdi: str) -> Mapping[str, Any] | None:
        """One with its PIN, or None."""
        ...

    async def ensure_end_device(
        self, lfdi: str, *, device: str | None, pin: int | None, role: Role, along: Sequence[Change]
    ) -> tuple[Mapping[str, Any], bool]:
        """The registration, made where there is none; and whether it is new."""
        ...

    async def remove_end_device(self, lfdi: str, *, along: Sequence[Change]) -> bool:
        """Take a registration away; False where there is none."""
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

    def subscriptions(self) -> Sequence[Mapping[str, Any]]:
        """All."""
        ...

    def cancel_subscription(self, path: str) -> bool:
        """End one with status 1; False where there is none."""
        ...

    async def reset(self, *, by: str, along: Sequence[Change]) -> Mapping[str, int]:
        """Back to the start; how many of what are gone."""
        ...


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
        Refused: what the server refuses, with its reason.
        StoreUnavailable: nothing was changed.
    """
    entry = Entry(at=call.now, who=call.caller.name, what=what, subject=subject, after=after, reason=reason)
    try:
        done = await act([entry.change()])
    except RemoteProtocolError as problem:
        raise refused(problem) from problem
    except ConfigError as problem:
        raise Refused(422, str(problem), "GET shows what there is") from problem
    entry.log()
    return done


def refused(problem: RemoteProtocolError) -> Refused:
    """The wire's refusal as the API's."""
    status = int(problem.answer)
    return Refused(status if status in _SAME else 422, str(problem), "docs/reference/sep2-resources.md says what fits")


def shown(look: Callable[[], _T]) -> _T:
    """What a look-up finds.

    Raises:
        Refused: 404 where nothing is.
    """
    try:
        return look()
    except RemoteProtocolError as problem:
        raise refused(problem) from problem
