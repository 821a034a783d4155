"""What all tests share: how hypothesis searches, what is logged, and that no connection outlives its test.

Examples are drawn the same way in every run, so that a red run can be repeated; GRIDIFACE_EXPLORE=1 draws new ones.
No deadline: a loaded machine is not a defect.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests import rewritten
from xdist.scheduler import LoadScopeScheduling

from gridiface.app.process.log import Fields, JsonFormatter

settings.register_profile(
    "gridiface",
    deadline=None,
    derandomize=os.environ.get("GRIDIFACE_EXPLORE") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gridiface")

#: How a module says in its pytestmark that one worker runs all of it.
GROUP = re.compile(r'xdist_group\("([^"]+)"\)')


class Grouped(LoadScopeScheduling):
    """Tests go to workers by their modules' groups, one by one where a module names none.

    xdist's own loadgroup writes the group into a test's id, which pytest 9.2 takes no more: nothing would be grouped.
    And it looks through all that a worker ever did, and through the names of all tests, for each test that ends: with
    many thousands of these the workers wait for it.
    """

    def __init__(self, config: Any, log: Any) -> None:
        super().__init__(config, log)
        self._places: dict[str, int] = {}

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid

    def schedule(self) -> None:
        """Where each test stands in what the workers have collected, which is the same for all, is looked up once."""
        self._places = {nodeid: place for place, nodeid in enumerate(next(iter(self.registered_collections.values())))}
        super().schedule()

    def _assign_work_unit(self, node: Any) -> None:
        scope, unit = self.workqueue.popitem(last=False)
        self.assigned_work.setdefault(node, {})[scope] = unit
        node.send_runtest_some([self._places[nodeid] for nodeid, completed in unit.items() if not completed])

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """A worker has ended one test; what it has done in whole is forgotten."""
        nodeid = self.registered_collections[node][item_index]
        scope = self._split_scope(nodeid)
        unit = self.assigned_work[node][scope]
        unit[nodeid] = True
        if all(unit.values()):
            del self.assigned_work[node][scope]
        self._reschedule(node)


@cache
def group_of(module: str) -> str:
    """The group that a module's file names; empty: none."""
    found = GROUP.search(Path(module).read_text(encoding="utf-8"))
    return found[1] if found else ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Before it collects, a worker makes its share of what all of them need."""
    rewritten.share(session.config)


@pytest.hookimpl(optionalhook=True)  # the second look is without xdist (second_look.py)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Grouped | None:
    """`--dist loadgroup` is ours."""
    return Grouped(config, log) if config.getvalue("dist") == "loadgroup" else None


#: How long connections that are ending may take before a test is said to have left them open, seconds.
ENDING_S = 20.0


class Loop(asyncio.SelectorEventLoop):
    """A loop that ends with no connection left open.

    Else the garbage collector finds it at some later moment, and the test that runs then fails instead of this one.
    What servers have accepted ends here: their handlers were cancelled a moment ago, wherever they were. What the test
    has opened is its own to close.
    """

    def _make_socket_transport(self, sock: socket.socket, *args: Any, server: Any = None, **more: Any) -> Any:
        _for_an_open(server, sock)
        return super()._make_socket_transport(sock, *args, server=server, **more)  # type: ignore[misc]

    def _make_ssl_transport(self, rawsock: socket.socket, *args: Any, server: Any = None, **more: Any) -> Any:
        _for_an_open(server, rawsock)
        return super()._make_ssl_transport(rawsock, *args, server=server, **more)  # type: ignore[misc]

    def close(self) -> None:
        left: list[str] = []
        if not self.is_closed():
            left = self.run_until_complete(self._end())
        super().close()
        if left:
            pytest.fail(f"left open: {'; '.join(left)}", pytrace=False)

    async def _end(self) -> list[str]:
        end = self.time() + ENDING_S
        while self._connections(accepted=False) and self.time() < end:
            await asyncio.sleep(0.01)
        left = self._connections(accepted=False)
        for one in left + self._connections(accepted=True):
            one.abort()
        await asyncio.sleep(0)
        return [f"{one.get_extra_info('sockname')} to {one.get_extra_info('peername')}" for one in left]

    def _connections(self, *, accepted: bool) -> list[asyncio.Transport]:
        # Nothing public tells what a loop still holds, nor which end of it.
        held = list(self._transports.values())  # type: ignore[attr-defined]
        return [one for one in held if one._sock is not None and (one._server is not None) is accepted]


def _for_an_open(server: Any, taken: socket.socket) -> None:
    """asyncio leaves what came for a server that has closed since to the garbage collector."""
    if server is not None and server._sockets is None:
        taken.close()
        raise ConnectionAbortedError("the server has closed")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Each test has a loop of this kind."""
    return {"loop": Loop}


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What is logged while a test runs, as the JSON form of the log has it: one dict per record."""
    found: list[dict[str, Any]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(self.format(record)))

    handler = Keeper(logging.INFO)
    handler.addFilter(Fields())
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("gridiface")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)
