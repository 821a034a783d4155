"""What IEEE 1815 has an outstation answer to one master, octet for octet: written from the standard, for tests alone.

Nothing of the product is used here. The model knows one association: its events, its indications, its selection, what
waits for which confirm. All its responses fit into one fragment; the points and their variations are those of `POINTS`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import groupby

CONFIRM_S, SELECT_S, OFFLINE_S, RETRIES = 5.0, 10.0, 30.0, 1
CAPACITY, RESTART_MS = 4, 1500
OPTIONAL, SHALL, NOT_WANTED = 0xFFFF, 0xFFFE, 0xFFFD
NO_FUNCTION, UNKNOWN, PARAMETER, OVERFLOW = 0x0100, 0x0200, 0x0400, 0x0800
NEED_TIME, RESTART = 0x0010, 0x0080
READ, WRITE, SELECT, OPERATE, DIRECT, DIRECT_NR, FREEZE, FREEZE_NR = 1, 2, 3, 4, 5, 6, 7, 8
COLD, ENABLE, DISABLE, ASSIGN, DELAY, RECORD = 13, 20, 21, 22, 23, 24
SILENT, BROADCAST = (DIRECT_NR, FREEZE_NR), (WRITE, DIRECT_NR, FREEZE_NR, RECORD)

#: Static group: (event group, how many points, class of its events, format of a static object, of an event).
POINTS = {
    1: (2, 3, 1, "flag", "flag time"),
    10: (11, 1, 1, "flag", "flag time"),
    20: (22, 1, 0, "flag u32", "flag u32 time"),
    21: (23, 1, 3, "flag u32 time", "flag u32 time"),
    30: (32, 3, 2, "flag f32", "flag f32 time"),
    40: (42, 1, 3, "flag f32", "flag f32 time"),
}
#: Variation of static objects and of events by their format.
STATIC = {1: 2, 10: 2, 20: 1, 21: 5, 30: 5, 40: 3}
EVENT = {2: 2, 11: 2, 22: 5, 23: 5, 32: 7, 42: 7}


def stamp(at: float) -> bytes:
    """Milliseconds since 1970 in six octets."""
    return struct.pack("<Q", round(at * 1000))[:6]


def an_object(form: str, group: int, value: float, at: float) -> bytes:
    """One object, on line, of a value that came at a time."""
    binary = group in (1, 2, 10, 11)
    packed = {
        "flag": bytes([1 | (int(value) << 7 if binary else 0)]),
        "u32": struct.pack("<I", int(value)),
        "f32": struct.pack("<f", value),
        "time": stamp(at),
    }
    return b"".join(packed[part] for part in form.split())


@dataclass
class Shared:
    """What all masters of an outstation see alike: the values, and what was commanded."""

    values: dict[tuple[int, int], tuple[float, float]] = field(
        default_factory=lambda: {(group, index): (0, 0.0) for group, row in POINTS.items() for index in range(row[1])}
    )
    operated: list[float] = field(default_factory=list)

    def static(self) -> bytes:
        """The objects of class 0."""
        found = b""
        for group, (_, count, _, form, _) in POINTS.items():
            found += bytes([group, STATIC[group], 0, 0, count - 1])
            found += b"".join(an_object(form, group, *self.values[group, index]) for index in range(count))
        return found


@dataclass
class Kept:
    """One event of a master."""

    number: int
    of_class: int
    group: int
    index: int
    octets: bytes


@dataclass
class Pending:
    """A response that waits for its confirm."""

    sequence: int
    numbers: list[int]
    due: float
    octets: bytes = b""
    attempts: int = 1
    null: bool = False
    tells_broadcast: bool = False


class MasterModel:
    """One master's association. Each method gives the fragments that the outstation has to send then."""

    def __init__(self, shared: Shared, now: float, peers: list[MasterModel], *, reports: bool) -> None:
        self.shared, self.now, self.peers, self.reports = shared, now, peers, reports
        self.events: list[Kept] = []
        self.made = 0
        self.lost: set[int] = set()
        self.broadcast: int | None = None
        self.solicited: Pending | None = None
        self.report: Pending | None = None
        self.cut_short: Pending | None = None
        self.held: bytes | None = None
        self.last = self.last_answer = b""
        self.next_report, self.resume_at = 0, 0.0
        self.selection: tuple[bytes, int, float] | None = None
        self.recorded: float | None = None
        self.restarted_state()

    def restarted_state(self) -> None:
        """What a restart leaves: the events alone."""
        self.restarted, self.timeless, self.null_due = True, True, self.reports
        self.enabled: set[int] = set()
        self.classes = {group: [row[2]] * row[1] for group, row in POINTS.items()}
        self.selection = self.recorded = None

    def happen(self, static: int, index: int, value: float) -> None:
        """A point has another value."""
        of_class = self.classes[static][index]
        if not of_class:
            return
        group, form = POINTS[static][0], POINTS[static][4]
        mine = [one for one in self.events if one.of_class == of_class]
        if len(mine) == CAPACITY:
            self.lost.add(of_class)
            self.events.remove(mine[0])
        self.made += 1
        octets = bytes([index]) + an_object(form, group, value, self.now)
        self.events.append(Kept(self.made, of_class, group, index, octets))

    def waiting(self) -> list[Kept]:
        """Events that stand in no response that waits for its confirm."""
        out = {number for one in (self.solicited, self.report) if one for number in one.numbers}
        return [one for one in self.events if one.number not in out]

    def confirmed(self, pending: Pending) -> None:
        """The master has them."""
        self.events = [one for one in self.events if one.number not in pending.numbers]
        self.lost = {one for one in self.lost if sum(e.of_class == one for e in self.events) >= CAPACITY}

    @staticmethod
    def as_objects(events: list[Kept]) -> bytes:
        """Events under a header for each run of one kind."""
        runs = [list(run) for _, run in groupby(events, lambda one: one.group)]
        heads = [bytes([run[0].group, EVENT[run[0].group], 0x17, len(run)]) for run in runs]
        return b"".join(head + b"".join(one.octets for one in run) for head, run in zip(heads, runs, strict=True))

    # -- what goes out

    def indications(self) -> int:
        """IIN1 and IIN2 of what goes out now, errors of a request apart."""
        found = sum(1 << of_class for of_class in {one.of_class for one in self.waiting()})
        found |= NEED_TIME * self.timeless | RESTART * self.restarted | OVERFLOW * bool(self.lost)
        return found | (self.broadcast is not None)

    def answer(self, sequence: int, objects: bytes = b"", errors: int = 0, events: list[Kept] | None = None) -> bytes:
        """A response; it wants a confirm where it holds events, or where a broadcast did."""
        shall = self.broadcast == SHALL
        wants = bool(events) or shall
        if wants:
            self.solicited = Pending(sequence, [one.number for one in events or []], self.now + CONFIRM_S)
            self.solicited.tells_broadcast = self.broadcast is not None
        octets = bytes([0xC0 | 0x20 * wants | sequence, 129]) + struct.pack("<H", self.indications() | errors) + objects
        if not shall:
            self.broadcast = None
        return octets

    def pump(self) -> list[bytes]:
        """What is told unasked."""
        idle = self.solicited is None and self.report is None and self.held is None
        if not self.reports or not idle or self.now < self.resume_at:
            return []
        events = [] if self.null_due else [one for one in self.waiting() if one.of_class in self.enabled]
        if not self.null_due and not events:
            return []
        return [self.unasked(events, null=self.null_due)]

    def unasked(self, events: list[Kept], *, null: bool, attempts: int = 1) -> bytes:
        """A report with a number of its own."""
        sequence, self.next_report = self.next_report, (self.next_report + 1) % 16
        pending = Pending(sequence, [one.number for one in events], self.now + CONFIRM_S, null=null, attempts=attempts)
        self.report, self.cut_short = pending, None
        pending.tells_broadcast = self.broadcast is not None
        indications = struct.pack("<H", self.indications())
        self.broadcast = SHALL if self.broadcast == SHALL else None
        pending.octets = bytes([0xF0 | sequence, 130]) + indications + self.as_objects(events)
        return pending.octets

    # -- what comes in

    def confirm(self, sequence: int, *, unsolicited: bool) -> list[bytes]:
        """A confirm of the master."""
        if not unsolicited:
            pending = self.solicited
            if pending is None or pending.sequence != sequence:
                return []
            self.solicited = None
            self.confirmed(pending)
            if pending.tells_broadcast:
                self.broadcast = None
            return self.pump()
        told = self.report is not None and self.report.tells_broadcast
        late = self.cut_short
        if late is not None and late.sequence == sequence:
            self.cut_short, self.null_due = None, False
            if self.report is not None and self.report.null:
                self.report = None
        elif self.report is not None and self.report.sequence == sequence:
            self.confirmed(self.report)
            self.null_due = self.null_due and not self.report.null
            self.report = self.cut_short = None
        else:
            return []
        if told:
            self.broadcast = None
        return self.let_held_go() + self.pump()

    def let_held_go(self) -> list[bytes]:
        """Answers the READ that waited for the end of a report."""
        held, self.held = self.held, None
        return [] if held is None else self.perform(held)

    def heard(self) -> None:
        """A request ends the silence after a report that nobody confirmed."""
        if self.cut_short is None:
            self.resume_at = 0.0

    def request(self, octets: bytes) -> list[bytes]:
        """A request of the master."""
        self.heard()
        function = octets[1]
        if octets == self.last and function != READ:
            if function == RECORD:
                self.recorded = self.now
            return ([] if function in SILENT else [self.last_answer]) + self.pump()
        self.solicited = self.held = None
        if function not in (SELECT, OPERATE):
            self.selection = None
        if function == READ and self.report is not None:
            self.recorded = None
            self.held = octets
            return []
        return self.perform(octets) + self.pump()

    def told_all(self, octets: bytes, address: int) -> list[bytes]:
        """A broadcast: done where it may be, never answered, told of in what goes out next."""
        self.heard()
        self.solicited = self.held = self.selection = None
        self.broadcast = address
        if octets[1] in BROADCAST:
            self.do(octets[1], octets[0] & 15, octets[2:])
        return self.pump()

    def perform(self, octets: bytes) -> list[bytes]:
        """Does what is asked and answers."""
        sequence, function, objects = octets[0] & 15, octets[1], octets[2:]
        self.last, self.last_answer = octets, b""
        if function == READ:
            self.recorded = None
            body, events = self.read(objects)
            return [self.answer(sequence, body, events=events)]
        body, errors = self.do(function, sequence, objects)
        if function in SILENT:
            return []
        answer = self.last_answer = self.answer(sequence, body, errors)
        for one in self.peers if function == COLD else ():
            one.restart()
        return [answer]

    def restart(self) -> None:
        """The device restarts: what waited for confirms does not any more."""
        self.solicited = self.report = self.cut_short = self.held = None
        self.resume_at = 0.0
        self.restarted_state()

    def read(self, objects: bytes) -> tuple[bytes, list[Kept]]:
        """Headers of classes, all or so many, in the order that they are asked for in."""
        body, found, at = b"", list[Kept](), 0
        while at < len(objects):
            _, variation, qualifier = objects[at : at + 3]
            most = objects[at + 3] if qualifier == 7 else len(self.events)
            at += 4 if qualifier == 7 else 3
            if variation == 1:
                body += self.shared.static()
                continue
            now = [one for one in self.waiting() if one.of_class == variation - 1 and one not in found][:most]
            found += now
            body += self.as_objects(now)
        return body, found

    def do(self, function: int, sequence: int, objects: bytes) -> tuple[bytes, int]:
        """The objects and the errors of the answer to anything but a READ."""
        recorded, self.recorded = self.recorded, None
        if function in (SELECT, OPERATE, DIRECT, DIRECT_NR):
            return self.control(function, sequence, objects)
        if function == WRITE:
            return b"", self.write(objects, recorded)
        if function in (ENABLE, DISABLE):
            return b"", self.switch(function, objects)
        if function in (FREEZE, FREEZE_NR):
            for one in self.peers:
                one.happen(21, 0, self.shared.values[20, 0][0])
            self.shared.values[21, 0] = self.shared.values[20, 0][0], self.now
        elif function == ASSIGN:
            self.classes[objects[3]] = [objects[1] - 1] * POINTS[objects[3]][1]
        elif function == RECORD:
            self.recorded = self.now
        delays = {COLD: RESTART_MS, DELAY: 0}
        told = bytes.fromhex("34 02 07 01") + struct.pack("<H", delays.get(function, 0))
        known = function in (FREEZE, FREEZE_NR, ASSIGN, RECORD, *delays)
        return told if function in delays else b"", 0 if known else NO_FUNCTION

    def write(self, objects: bytes, recorded: float | None) -> int:
        """The restart bit is cleared, or the time comes: of now, or of the record that was asked for just before."""
        if objects == bytes.fromhex("50 01 00 07 07 00"):
            self.restarted = False
        elif objects[:2] == b"\x32\x01" or (objects[:2] == b"\x32\x03" and recorded is not None):
            self.timeless = False
        else:
            return PARAMETER
        return 0

    def switch(self, function: int, objects: bytes) -> int:
        """Classes are told unasked, or are not; taking any away ends the wait for a confirm."""
        if not self.reports:
            return NO_FUNCTION
        classes = {objects[at + 1] - 1 for at in range(0, len(objects), 3)}
        self.enabled = self.enabled | classes if function == ENABLE else self.enabled - classes
        if function == DISABLE:
            self.stop_waiting()
        return 0

    def stop_waiting(self) -> None:
        """DISABLE_UNSOLICITED ends the wait; the null report comes again in its time."""
        if self.report is not None:
            pending, self.report = self.report, None
            if pending.null:
                self.cut_short, self.resume_at = pending, pending.due

    def control(self, function: int, sequence: int, objects: bytes) -> tuple[bytes, int]:
        """One command to the analog output: 41 03 17 01, index, value, status; index 0 alone is there."""
        status = 0
        selected, self.selection = self.selection, None
        if function == OPERATE:
            if selected is None or selected[:2] != (objects[:-1], (sequence - 1) % 16):
                status = 2
            elif self.now - selected[2] > SELECT_S:
                status = 1
        if not status and objects[4]:
            status = 4
        if not status and function == SELECT:
            self.selection = objects[:-1], sequence, self.now
        elif not status:
            (value,) = struct.unpack("<f", objects[5:9])
            self.shared.operated.append(value)
            if value != self.shared.values[40, 0][0]:
                for one in self.peers:
                    one.happen(40, 0, value)
            self.shared.values[40, 0] = value, self.now
        return objects[:-1] + bytes([status]), PARAMETER if status == 4 else 0

    def wait(self, now: float) -> list[bytes]:
        """The clock goes on; everything that is due then is done once."""
        self.now = now
        found: list[bytes] = []
        if self.solicited is not None and now >= self.solicited.due:
            self.solicited = None
        report = self.report
        if report is not None and now >= report.due:
            found = self.overdue(report) + self.let_held_go()
        return found + self.pump()

    def overdue(self, report: Pending) -> list[bytes]:
        """A report that was not confirmed: again, or given up."""
        told = struct.unpack("<H", report.octets[2:4])[0]
        if report.attempts > RETRIES or self.held is not None:
            self.report = None
            self.resume_at = self.now + OFFLINE_S if report.attempts > RETRIES else self.now
            return []
        if report.null and (told ^ self.indications()) & 0xFFFE:
            self.report = None
            fresh = self.unasked([], null=True, attempts=report.attempts + 1)
            self.cut_short = report
            return [fresh]
        report.attempts += 1
        report.due = self.now + CONFIRM_S
        return [report.octets]

    def reconnect(self) -> list[bytes]:
        """A new connection: what was asked and selected is gone, the events are not."""
        self.solicited = self.report = self.cut_short = self.held = self.selection = self.recorded = None
        self.last = self.last_answer = b""
        self.resume_at = 0.0
        return self.pump()
