"""The responses of each program: numbering, storing and showing them, each (event, device, status) once.

A customer may opt out of an event and in again several times: each change of that word is a response of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from gridiface.domain.changes import Change
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


class _Word(NamedTuple):
    """What a customer said of an event last.

    Attributes:
        changes: the how many-th change of its word that is; 0: it said nothing yet.
        status: OPTED_OUT or OPTED_IN.
        loaded: when the last one that the store told of was said, s since 1970; -1: it told of none.
    """

    changes: int = 0
    status: int | None = None
    loaded: int = -1


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
        #: The last word of each customer: by set, event and device.
        self._words: dict[tuple[str, str, str], _Word] = {}
        #: What is prepared and not shown yet, by its path; with the customer's word before it.
        self._prepared: dict[str, tuple[_Key, _Word]] = {}
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
        word = self._words.get((owner.responses, record.item.obj.mRID, lfdi)) if owner is not None else None
        return word is not None and word.status == ResponseStatus.OPTED_OUT

    def _word(self, program: Respondable, response: Response) -> _Word:
        return self._words.get((program.responses, response.subject, response.endDeviceLFDI), _Word())

    def _key(self, program: Respondable, response: Response) -> _Key:
        """Under what a response is kept that is given now: a customer's last word again is that same response."""
        status, changes = response.status, 0
        if status in _WORDS:
            word = self._word(program, response)
            changes = word.changes + (word.status != status)
        return response.subject, response.endDeviceLFDI, status, changes

    def _note(self, program: Respondable, response: Response, *, loaded: int = -1) -> _Key:
        """It is given: the next one of a customer is compared with it."""
        key = self._key(program, response)
        if key[3]:
            at = max(loaded, self._word(program, response).loaded)
            self._words[program.responses, *key[:2]] = _Word(key[3], response.status, at)
        return key

    def prepare(self, program: Respondable, response: Response) -> tuple[str, list[Change]]:
        """A place for a response, and what must be stored; it counts as given from now on, and is not shown yet.

        `place_if_served` or `abandon` is told of the same response then.
        """
        number, changes = self._state.counters.take(f"rsp/{set_name(program.responses)}")
        path = f"{program.responses}/{number}"
        response.href = path
        before = self._word(program, response)
        key = self._note(program, response)
        self._prepared[path] = key, before
        self._paths.setdefault(program.responses, {})[key] = path
        changes = [*changes, documents.put(documents.RESPONSES, path, response)]
        return path, changes

    def abandon(self, program: Respondable, response: Response) -> None:
        """What `prepare` counted could not be stored."""
        key, before = self._prepared.pop(response.href or "")
        self._paths.get(program.responses, {}).pop(key, None)
        place = (program.responses, *key[:2])
        if before.changes:
            self._words[place] = before
        elif key[3]:
            self._words.pop(place, None)

    def place(self, program: Respondable, response: Response) -> None:
        """Show a response that is durable; the oldest leaves where there are too many.

        One that was not prepared is the store's: it was given before the start.
        """
        path = response.href or ""
        if path in self._prepared:
            key, _ = self._prepared.pop(path)  # as it was then: a customer's next word may be prepared already
        else:
            key = self._note(program, response, loaded=response.createdDateTime or 0)
        self._paths.setdefault(program.responses, {})[key] = path
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
        place = (program.responses, *oldest[:2])
        if oldest[3] and self._words.get(place, _Word()).changes == oldest[3]:
            del self._words[place]
        self._state.tree.remove(path)
        self._later([documents.delete(documents.RESPONSES, path)], None)

    def add_later(self, program: Respondable, response: Response) -> None:
        """Post a response of the server's own: stored by the background writer, then shown.

        What is told again after a restart is said already: a customer's word that is not newer than the last one that
        the store told of is none.
        """
        key = self._key(program, response)
        if key in self._paths.get(program.responses, {}):
            return
        if key[3] and (response.createdDateTime or 0) <= self._word(program, response).loaded:
            return
        _, changes = self.prepare(program, response)
        self._later(changes, lambda: self.place_if_served(program, response))

    def place_if_served(self, program: Respondable, response: Response) -> None:
        """Show a response that is durable, unless its program has gone meanwhile."""
        if self._state.tree.get(program.responses) is not None:
            self.place(program, response)
        else:
            self._prepared.pop(response.href or "", None)

    def places_of(self, lfdi: str) -> list[str]:
        """Where the responses of a device are, those to what is not its own alone among them."""
        return [path for kept in self._paths.values() for (_, by, *_), path in kept.items() if by == lfdi]

    def forget(self, program: Respondable) -> None:
        """The program is gone."""
        self._paths.pop(program.responses, None)
        self._words = {place: word for place, word in self._words.items() if place[0] != program.responses}


def set_name(responses: str) -> str:
    """The name of a response set in its path: /rsps/7/rsp -> 7."""
    return responses.split("/")[2]
