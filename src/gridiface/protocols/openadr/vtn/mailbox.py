"""The one ordered queue of payloads per VEN, for poll and push alike (rules 500, 502; checklist: one per poll).

Owns order, attempts and time-outs. What an entry looks like as a payload is the services' business.

An entry stays in the queue until its logical answer has come, or, where none will, until it was delivered. One that was
sent and not answered within the reply time-out is sent again in its turn; meanwhile the entries behind it are served,
so a VEN that thinks about one payload, or never answers that kind, does not block the others.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from gridiface.deadlines import waits
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.vtn.entities import Entry
from gridiface.protocols.openadr.vtn.notices import Undelivered
from gridiface.protocols.openadr.vtn.state import State

EVENTS = "events"
REGISTER_REPORT = "register_report"
CREATE_REPORT = "create_report"
CANCEL_REPORT = "cancel_report"
CANCEL_REGISTRATION = "cancel_registration"
REREGISTER = "reregister"

#: Makes an entry's payload now; None when there is nothing left to say. True: no logical answer will come.
Render = Callable[[str, Entry, float], tuple[Payload | None, bool]]
_LONGEST_BACKOFF = 300.0
#: Of each VEN, the last entries that were answered.
_ANSWERED = 16


class Mailbox:
    """The queues of all VENs of one VTN."""

    def __init__(self, state: State, render: Render, gave_up: Callable[[str, Entry, float], None]) -> None:
        self._state = state
        self._render = render
        self._gave_up = gave_up
        self._answered: dict[str, deque[str]] = {}

    def post(self, ven_id: str, kind: str, *, ids: list[str] | None = None, follow: bool = False) -> Entry:
        """Append an entry. Events and the like, which say all at once, wait at most once."""
        queue = self._state.queue(ven_id)
        if not ids:
            for entry in queue.entries:
                if entry.kind == kind and entry.sent_at is None and not entry.ids:
                    return entry
        entry = Entry(kind=kind, id=self._state.new_id(), ids=list(ids or ()), follow=follow)
        queue.entries.append(entry)
        self._state.save("queue", ven_id)
        return entry

    def went_along(self, ven_id: str, kind: str, ids: list[str], request_id: str, now: float) -> None:
        """What `ids` stand for rode on the answer to `request_id`: it is sent by itself when nobody answers it."""
        entry = self.post(ven_id, kind, ids=ids)
        entry.id, entry.sent_at, entry.attempts = request_id, now, 1
        self._state.save("queue", ven_id)

    def next(self, ven_id: str, now: float, *, pushed: bool = False) -> Payload | None:
        """The payload whose turn it is, now counted as sent; None when nothing is to be sent.

        `pushed`: whoever sends it learns whether it arrives, and says so (`delivered`, `failed`): until then also
        what needs no answer stays.
        """
        queue = self._state.queue(ven_id)
        for entry in list(queue.entries):
            if not self._is_due(entry, now):
                continue
            # Who was not reached has not been asked: only what arrived counts against the attempts.
            if entry.attempts - entry.failures >= self._state.config.attempts:
                self._drop(ven_id, entry, now)
                continue
            payload, final = self._render(ven_id, entry, now)
            if payload is None or (final and not pushed):
                queue.entries.remove(entry)
            else:
                entry.attempts += 1
                entry.sent_at = now
                entry.final = final
            self._state.save("queue", ven_id)
            if payload is not None:
                return payload
        return None

    def delivered(self, ven_id: str) -> None:
        """A push to this VEN was taken: what needs no answer is done."""
        queue = self._state.queue(ven_id)
        keep = [entry for entry in queue.entries if not entry.final or entry.sent_at is None]
        if len(keep) != len(queue.entries):
            queue.entries[:] = keep
            self._state.save("queue", ven_id)

    def failed(self, ven_id: str, now: float, *, refused: bool = False) -> None:
        """The last push to this VEN did not get through: try again later, later each time, until it does.

        `refused`: it arrived, and the VEN cannot take it as it is (400, 404, 406, 413, 501): it is not sent again
        (rule 517).
        """
        queue = self._state.queue(ven_id)
        sent = [entry for entry in queue.entries if entry.sent_at is not None]
        if not sent:
            return
        last = max(sent, key=lambda entry: entry.sent_at or 0.0)
        if refused:
            self._drop(ven_id, last, now)
            return
        last.failures += 1
        last.not_before = now + _backoff(last)
        last.sent_at = None
        self._state.save("queue", ven_id)

    def answered(self, ven_id: str, *kinds: str, request_id: str = "") -> Entry | None:
        """The logical answer to a payload came: take the oldest sent entry of `kinds` out, by requestID if it helps."""
        queue = self._state.queue(ven_id)
        sent = [entry for entry in queue.entries if entry.kind in kinds and entry.attempts]
        exact = [entry for entry in sent if entry.id == request_id]
        if not exact and self.was_answered(ven_id, request_id):
            return None  # The answer again: it says nothing of another entry.
        found = next(iter(exact or sent), None)
        if found is not None:
            self._answered.setdefault(ven_id, deque(maxlen=_ANSWERED)).append(found.id)
            queue.entries.remove(found)
            self._state.save("queue", ven_id)
        return found

    def was_answered(self, ven_id: str, request_id: str) -> bool:
        """Whether the payload of that requestID has had its answer, since the start of this process."""
        return request_id in self._answered.get(ven_id, ())

    def withdraw(self, ven_id: str, *kinds: str, sent: bool | None = None) -> None:
        """Take all entries of `kinds` out; `sent` True or False: only those (not) sent yet."""
        queue = self._state.queue(ven_id)
        keep = [
            entry
            for entry in queue.entries
            if entry.kind not in kinds or (sent is not None and bool(entry.attempts) is not sent)
        ]
        if len(keep) != len(queue.entries):
            queue.entries[:] = keep
            self._state.save("queue", ven_id)

    def withdraw_one(self, ven_id: str, kind: str, name: str) -> None:
        """Take the entries of `kind` out that stand for `name` alone."""
        queue = self._state.queue(ven_id)
        keep = [entry for entry in queue.entries if entry.kind != kind or entry.ids != [name]]
        if len(keep) != len(queue.entries):
            queue.entries[:] = keep
            self._state.save("queue", ven_id)

    def clear(self, ven_id: str) -> None:
        """Forget everything that waits."""
        self._answered.pop(ven_id, None)
        self._state.forget("queue", ven_id)

    def unreached(self, ven_id: str) -> bool:
        """Whether the last push to this VEN failed, also while it is tried again."""
        ven = self._state.vens.get(ven_id)
        seen = (ven.last_seen if ven else None) or 0.0
        entries = self._state.queue(ven_id).entries
        return any(one.failures and (one.sent_at is None or one.sent_at > seen) for one in entries)

    def count(self, ven_id: str) -> int:
        """How many entries wait, for the VEN or for its answer."""
        return len(self._state.queue(ven_id).entries)

    def is_waiting(self, ven_id: str, now: float) -> bool:
        """Whether something could be sent now."""
        return any(self._is_due(entry, now) for entry in self._state.queue(ven_id).entries)

    def due_at(self, ven_id: str) -> float:
        """When something is to be sent next; infinity when never."""
        return min((self._due_at(entry) for entry in self._state.queue(ven_id).entries), default=math.inf)

    def _due_at(self, entry: Entry) -> float:
        wait = entry.not_before
        return wait if entry.sent_at is None else max(wait, entry.sent_at + self._state.config.reply_timeout)

    def _is_due(self, entry: Entry, now: float) -> bool:
        answer = 0.0 if entry.sent_at is None else self._state.config.reply_timeout
        return not waits(self._due_at(entry), now, max(answer, _backoff(entry)))

    def _drop(self, ven_id: str, entry: Entry, now: float) -> None:
        self._state.queue(ven_id).entries.remove(entry)
        self._state.save("queue", ven_id)
        self._state.notices.append(Undelivered(venID=ven_id, kind=entry.kind, attempts=entry.attempts))
        self._gave_up(ven_id, entry, now)


def _backoff(entry: Entry) -> float:
    """How long it waits after its last failure, s."""
    return min(_LONGEST_BACKOFF, 2.0 ** min(entry.failures, 10))
