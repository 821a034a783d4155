"""A command on its way that nobody waits for: its requests one after the other, by callbacks. Pure but for its sender.

In a fan-out to thousands of devices a task and a dozen awaits per device cost more than the bytes. Owned here: the
order, and for which tables it will do. Not owned: what the replies mean (driver).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gridiface.errors import DeviceError
from gridiface_southbound.modbus.table import RegisterTable
from gridiface_southbound.modbus_connection import Reply
from gridiface_southbound.modbus_pdu import ExceptionReply, Request


class Sender(Protocol):
    """`QuickLink.begin` for one device."""

    def __call__(self, requests: Sequence[Request], done: Callable[[list[Reply] | DeviceError], None], /) -> bool:
        """False: not now. True: sent, and `done` is called once, later."""
        ...


class Begun:
    """The steps of one command.

    Args:
        steps: requests that go out together, each step after the replies to the one before.
        send: sends one step.
        over: called once: with all replies, up to the step in which something was refused; with the error; or with None
            where somebody else had the link between two steps.
    """

    __slots__ = ("_at", "_over", "_replies", "_send", "_steps")

    def __init__(
        self,
        steps: Sequence[Sequence[Request]],
        send: Sender,
        over: Callable[[list[Reply] | DeviceError | None], None],
    ) -> None:
        self._steps = steps
        self._send = send
        self._over = over
        self._at = 0
        self._replies: list[Reply] = []

    def go(self) -> bool:
        """Send the first step. False: not now, and nothing was sent."""
        return self._send(self._steps[0], self._came)

    def _came(self, result: list[Reply] | DeviceError) -> None:
        if isinstance(result, DeviceError):
            self._over(result)
            return
        self._replies += result
        self._at += 1
        # A value must not be written after one that was refused.
        if self._at == len(self._steps) or any(isinstance(reply, ExceptionReply) for reply in result):
            self._over(self._replies)
        elif not self._send(self._steps[self._at], self._came):
            self._over(None)


def may_hurry(table: RegisterTable) -> bool:
    """Whether what is written needs nothing between: no time, no reading first, no rest for memory that wears out."""
    rules = [(point, point.write) for point in table.points if point.write is not None]
    return all(
        not rule.read_back_delay_s and rule.memory == "ram" and (point.mask is None or rule.function == 22)
        for point, rule in rules
    )
