"""The responses of each program: numbering, storing and showing them, each (event, device, status) once.

A customer may opt out of an event and in again several times: each change of that word is a response of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gridiface.domain.ports import Change
from gridiface.errors import StoreUnavailable
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.kinds import kind
from gridiface.northbound.sep2.served.nodes import Audience, Item
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EventRecord
from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.resources import Response

#: Event, device, status, and the how many-th change of the customer's word it is; 0 for other statuses.
_Key = tuple[str, str, int | None, int]
_WORDS = frozenset({ResponseStatus.OPTED_OUT, ResponseStatus.OPTED_IN})


class Respondable(Protocol):
    """What responses are given to: a program, a publication, an event set."""

    @property
    def responses(self) -> str:
        """Path of its ResponseList."""
        ...


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
        self._paths: dict[str, dict[_Key, str]] = {}
        #: What customers said of events, one word after the other: by set, event and device.
        self._words: dict[tuple[str, str, str], list[int]] = {}
        self.count = 0

    def path_of(self, program: Respondable, response: Response) -> str | None:
        """Where the same answer was given before.

        Raises:
            StoreUnavailable: it is given, and not durable yet.
        """
        path = self._paths.get(program.responses, {}).get(self._key(program, response))
        if path is not None and self._state.tree.get(path) is None:
            raise StoreUnavailable("the same answer is being stored")
        return path

    def has(self, record: EventRecord, lfdi: str, status: int) -> bool:
        """Whether this device has given this status for the event."""
        owner = self._state.owner_of(record)
        kept = self._paths.get(owner.responses, {}) if owner is not None else {}
        return (record.item.obj.mRID, lfdi, int(status), 0) in kept

    def opted_out(self, record: EventRecord, lfdi: str) -> bool:
        """Whether opting out is the last that this device's customer said of the event."""
        owner = self._state.owner_of(record)
        words = self._words.get((owner.responses, record.item.obj.mRID, lfdi), []) if owner is not None else []
        return bool(words) and words[-1] == ResponseStatus.OPTED_OUT

    def _key(self, program: Respondable, response: Response) -> _Key:
        """Under what a response is kept that is given now: a customer's last word again is that same response."""
        status, changes = response.status, 0
        if status in _WORDS:
            words = self._words.get((program.responses, response.subject, response.endDeviceLFDI), [])
            changes = len(words) + (not words or words[-1] != status)
        return response.subject, response.endDeviceLFDI, status, changes

    def _note(self, program: Respondable, response: Response) -> _Key:
        """It is given: the next one of a customer is compared with it."""
        key = self._key(program, response)
        if response.status in _WORDS:
            place = (program.responses, response.subject, response.endDeviceLFDI)
            words = self._words.setdefault(place, [])
            if key[3] > len(words):
                words.append(int(response.status or 0))
        return key

    def prepare(self, program: Respondable, response: Response) -> tuple[str, list[Change]]:
        """A place for a response, and what must be stored; it counts as given from now on, and is not shown yet."""
        number, changes = self._state.counters.take(f"rsp/{set_name(program.responses)}")
        path = f"{program.responses}/{number}"
        response.href = path
        self._paths.setdefault(program.responses, {})[self._note(program, response)] = path
        changes = [*changes, documents.put(documents.RESPONSES, path, response)]
        return path, changes

    def abandon(self, program: Respondable, response: Response) -> None:
        """What `prepare` counted could not be stored."""
        key = self._key(program, response)
        self._paths.get(program.responses, {}).pop(key, None)
        if key[3]:
            self._words[program.responses, response.subject, response.endDeviceLFDI].pop()

    def place(self, program: Respondable, response: Response) -> None:
        """Show a response that is durable; the oldest leaves where there are too many."""
        path = response.href or ""
        self._paths.setdefault(program.responses, {})[self._note(program, response)] = path
        record = self._state.by_lfdi.get(response.endDeviceLFDI)
        audience = record.audience if record is not None else Audience(readers={response.endDeviceLFDI})
        item = Item(path, kind("/rsps/{id1}/rsp/{id2}"), audience, response, data=program)
        self._state.tree.add(item, program.responses)
        self.count += 1
        self._make_room(program)

    def _make_room(self, program: Respondable) -> None:
        kept = self._paths[program.responses]
        if len(kept) <= self._limit:
            return
        oldest = next(iter(kept))
        path = kept.pop(oldest)
        if oldest[3] and not any(key[:2] == oldest[:2] and key[3] for key in kept):
            self._words.pop((program.responses, *oldest[:2]), None)
        self._state.tree.remove(path)
        self._later([documents.delete(documents.RESPONSES, path)], None)

    def add_later(self, program: Respondable, response: Response) -> None:
        """Post a response of the server's own: stored by the background writer, then shown."""
        if self._key(program, response) in self._paths.get(program.responses, {}):
            return
        _, changes = self.prepare(program, response)
        self._later(changes, lambda: self.place_if_served(program, response))

    def place_if_served(self, program: Respondable, response: Response) -> None:
        """Show a response that is durable, unless its program has gone meanwhile."""
        if self._state.tree.get(program.responses) is not None:
            self.place(program, response)

    def places_of(self, lfdi: str) -> list[str]:
        """Where the responses of a device are, those to what is not its own alone among them."""
        return [path for kept in self._paths.values() for (_, by, *_), path in kept.items() if by == lfdi]

    def forget(self, program: Respondable) -> None:
        """The program is gone."""
        self._paths.pop(program.responses, None)
        self._words = {key: words for key, words in self._words.items() if key[0] != program.responses}


def set_name(responses: str) -> str:
    """The name of a response set in its path: /rsps/7/rsp -> 7."""
    return responses.split("/")[2]
