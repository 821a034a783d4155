"""The responses of each program: numbering, storing and showing them, each (event, device, status) once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gridiface.domain.ports import Change
from gridiface.northbound.sep2 import documents
from gridiface.northbound.sep2.kinds import kind
from gridiface.northbound.sep2.nodes import Audience, Item
from gridiface.northbound.sep2.state import EventRecord, Program, State
from gridiface.protocols.sep2.resources import Response

_Key = tuple[str, str, int | None]


class ResponseLog:
    """Keeps responses under /rsps.

    Args:
        state: the tree and the end devices.
        limit: responses kept per set; beyond it the oldest leave.
        later: hands changes to the background writer.
    """

    def __init__(
        self, state: State, limit: int, later: Callable[[Sequence[Change], Callable[[], None] | None], None]
    ) -> None:
        self._state = state
        self._limit = limit
        self._later = later
        self._paths: dict[int, dict[_Key, str]] = {}
        self.count = 0

    def path_of(self, program: Program, response: Response) -> str | None:
        """Where the same answer was given before."""
        return self._paths.get(program.number, {}).get(_key(response))

    def has(self, record: EventRecord, lfdi: str, status: int) -> bool:
        """Whether this device has given this status for the event."""
        return (record.item.obj.mRID, lfdi, int(status)) in self._paths.get(record.program, {})

    def prepare(self, program: Program, response: Response) -> tuple[str, list[Change]]:
        """A place for a response, and what must be stored; it counts as given from now on, and is not shown yet."""
        number, changes = self._state.counters.take(f"rsp/{program.number}")
        path = f"{program.responses}/{number}"
        response.href = path
        kept = self._paths.setdefault(program.number, {})
        kept[_key(response)] = path
        changes = [*changes, documents.put(documents.RESPONSES, path, response)]
        return path, changes

    def abandon(self, program: Program, response: Response) -> None:
        """What `prepare` counted could not be stored."""
        self._paths.get(program.number, {}).pop(_key(response), None)

    def place(self, program: Program, response: Response) -> None:
        """Show a response that is durable; the oldest leaves where there are too many."""
        path = response.href or ""
        self._paths.setdefault(program.number, {})[_key(response)] = path
        record = self._state.by_lfdi.get(response.endDeviceLFDI)
        audience = record.audience if record is not None else Audience(readers={response.endDeviceLFDI})
        item = Item(path, kind("/rsps/{id1}/rsp/{id2}"), audience, response, data=program)
        self._state.tree.add(item, program.responses)
        self.count += 1
        self._make_room(program)

    def _make_room(self, program: Program) -> None:
        kept = self._paths[program.number]
        if len(kept) <= self._limit:
            return
        oldest = next(iter(kept))
        path = kept.pop(oldest)
        self._state.tree.remove(path)
        self._later([documents.delete(documents.RESPONSES, path)], None)

    def add_later(self, program: Program, response: Response) -> None:
        """Post a response of the server's own: stored by the background writer, then shown."""
        if self.path_of(program, response) is not None:
            return
        _, changes = self.prepare(program, response)
        self._later(changes, lambda: self._place_if_served(program, response))

    def _place_if_served(self, program: Program, response: Response) -> None:
        if program.number in self._state.programs:
            self.place(program, response)

    def forget(self, program: int) -> None:
        """The program is gone."""
        self._paths.pop(program, None)


def _key(response: Response) -> _Key:
    return response.subject, response.endDeviceLFDI, response.status
