"""Conversations of any order with the outstation core, two masters at a time, against a model (tests/dnp3_model.py).

Every octet that comes back is compared: control, sequence, indications, events, echoes. So is what was carried out
(R22: no double operation, overflow told, no event lost before it).
"""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests import dnp3_model as model
from tests.dnp3_octets import Joiner, frame, unframed
from tests.dnp3_session import NOW, Doing

from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings
from gridiface.protocols.dnp3.points import BY_STATIC_GROUP, PointConfig

pytestmark = pytest.mark.timeout(600)

THOROUGH = bool(os.environ.get("GRIDIFACE_THOROUGH"))
TWO = (1, 2)
who = st.sampled_from(TWO)
headers = st.one_of(
    st.sampled_from(["3c 01 06", "3c 02 06", "3c 03 06", "3c 04 06"]),
    st.builds(lambda variation, most: f"3c {variation:02x} 07 {most:02x}", st.integers(2, 4), st.integers(0, 2)),
)
plain = st.sampled_from(
    [
        (model.WRITE, "50 01 00 07 07 00"),
        (model.WRITE, "32 01 07 01 00 00 00 00 00 00"),
        (model.WRITE, "32 03 07 01 00 00 00 00 00 00"),
        (model.WRITE, "50 01 00 00 00 01"),
        (model.FREEZE, "14 00 06"),
        (model.FREEZE_NR, "14 00 06"),
        (model.ENABLE, "3c 02 06 3c 03 06 3c 04 06"),
        (model.ENABLE, "3c 03 06"),
        (model.DISABLE, "3c 02 06 3c 03 06 3c 04 06"),
        (model.DISABLE, "3c 02 06"),
        (model.ASSIGN, "3c 02 06 1e 00 06"),
        (model.ASSIGN, "3c 03 06 01 00 06"),
        (model.ASSIGN, "3c 01 06 1e 00 06"),
        (model.DELAY, ""),
        (model.RECORD, ""),
        (99, ""),
    ]
)


class Restarting(Doing):
    """Restarts when it is told to."""

    def restart(self, kind, master, now):
        return model.RESTART_MS / 1000


class End:
    """One master's connection as it is, and the number it gave its last request."""

    def __init__(self, outstation: Outstation, number: int) -> None:
        self.outstation, self.number, self.sequence, self.sent, self.transport = outstation, number, 0, b"", 0
        self.open(NOW)

    def open(self, now: float) -> None:
        self.channel, self.joiner = self.outstation.open(now, [self.number]), Joiner()

    def send(self, fragment: bytes, now: float, to: int = 10) -> None:
        self.transport = (self.transport + 1) % 64
        self.channel.receive(frame(bytes([0xC0 | self.transport]) + fragment, 0xC4, to, self.number), now)

    def hear(self, now: float) -> list[str]:
        found = []
        for control, to, source, user in unframed(self.channel.to_send(now)):
            assert (control, to, source) == (0x44, self.number, 10)
            whole = self.joiner.take(user)
            found += [] if whole is None else [whole.hex(" ")]
        return found


class Walk(RuleBasedStateMachine):
    """Two masters, one of which is told unasked, and a device whose points move."""

    @initialize()
    def begin(self) -> None:
        self.now, self.value, self.handler = NOW, 0, Restarting()
        reports = UnsolicitedSettings(model.CONFIRM_S, model.RETRIES, model.OFFLINE_S)
        both = [
            AssociationSettings(
                number,
                unsolicited=reports if number == 1 else None,
                confirm_timeout=model.CONFIRM_S,
                select_timeout=model.SELECT_S,
                event_capacity=model.CAPACITY,
                need_time=True,
            )
            for number in TWO
        ]
        points = [
            PointConfig(BY_STATIC_GROUP[group], index, event_class=row[2], initial_flags=1)
            for group, row in model.POINTS.items()
            for index in range(row[1])
        ]
        self.database = Database(points)
        self.outstation = Outstation(
            OutstationSettings(10, keep_alive=None), both, self.database, self.handler, None, NOW
        )
        self.shared, peers = model.Shared(), list[model.MasterModel]()
        peers += [model.MasterModel(self.shared, NOW, peers, reports=number == 1) for number in TWO]
        self.models = dict(zip(TWO, peers, strict=True))
        self.ends = {number: End(self.outstation, number) for number in TWO}
        self.agree({number: one.pump() for number, one in self.models.items()})

    def agree(self, expected: dict[int, list[bytes]]) -> None:
        """What is sent to each master is what the model says, and nobody else is told anything but what is due."""
        for number, end in self.ends.items():
            wanted = expected[number] if number in expected else self.models[number].pump()
            assert end.hear(self.now) == [one.hex(" ") for one in wanted], f"to master {number}"

    def ask(self, number: int, octets: bytes) -> None:
        self.ends[number].sent = octets
        self.ends[number].send(octets, self.now)
        self.agree({number: self.models[number].request(octets)})

    def next(self, number: int, by: int = 1) -> int:
        end = self.ends[number]
        end.sequence = (end.sequence + by) % 16
        return 0xC0 | end.sequence

    @rule(group=st.sampled_from([1, 20, 30]), index=st.integers(0, 2))
    def a_point_moves(self, group: int, index: int) -> None:
        index = index if group != 20 else 0
        self.value += 1
        before = self.shared.values[group, index][0]
        value = 1 - before if group == 1 else self.value
        self.shared.values[group, index] = value, self.now
        for one in self.models.values():
            one.happen(group, index, value)
        self.database.update(self.now, BY_STATIC_GROUP[group], index, value)
        self.agree({})

    @rule(number=who, asked=st.lists(headers, min_size=1, max_size=4))
    def read(self, number: int, asked: list[str]) -> None:
        self.ask(number, bytes([self.next(number), model.READ]) + bytes.fromhex("".join(asked)))

    @rule(number=who, what=plain)
    def do(self, number: int, what: tuple[int, str]) -> None:
        self.ask(number, bytes([self.next(number), what[0]]) + bytes.fromhex(what[1]))

    @rule(number=who)
    def restart(self, number: int) -> None:
        self.ask(number, bytes([self.next(number), model.COLD]))

    @rule(
        number=who,
        function=st.sampled_from([model.SELECT, model.OPERATE, model.DIRECT, model.DIRECT_NR]),
        index=st.sampled_from([0, 0, 0, 1]),
        value=st.integers(1, 3),
        by=st.sampled_from([1, 1, 1, 2]),
    )
    def command(self, number: int, function: int, index: int, value: int, by: int) -> None:
        objects = bytes.fromhex("29 03 17 01") + bytes([index]) + struct.pack("<f", value) + b"\0"
        self.ask(number, bytes([self.next(number, by), function]) + objects)

    @rule(
        number=who,
        value=st.integers(1, 3),
        between=st.sampled_from(["", "repeat", "confirm", "wait", "late", "read"]),
        by=st.sampled_from([1, 1, 0, 2]),
    )
    def select_and_operate(self, number: int, value: int, between: str, by: int) -> None:
        self.command(number, model.SELECT, 0, value, 1)
        match between:
            case "repeat":
                self.again(number)
            case "confirm":
                self.confirm(number, unsolicited=False, off=0)
            case "wait" | "late":
                self.wait(4.0 if between == "wait" else 11.0)
            case "read":
                self.read(number, ["3c 02 06"])
        self.command(number, model.OPERATE, 0, value, by)

    @rule(number=who, between=st.booleans())
    def record_and_write_the_time(self, number: int, between: bool) -> None:
        self.do(number, (model.RECORD, ""))
        if between:
            self.read(number, ["3c 02 06"])
        self.do(number, (model.WRITE, "32 03 07 01 00 00 00 00 00 00"))

    @rule(number=who)
    def again(self, number: int) -> None:
        if self.ends[number].sent:
            self.ask(number, self.ends[number].sent)

    @rule(number=who, unsolicited=st.booleans(), off=st.sampled_from([0, 0, 0, 1, 15]))
    def confirm(self, number: int, unsolicited: bool, off: int) -> None:
        """The right one, or one that is off by a number."""
        one = self.models[number]
        pending = one.report or one.cut_short if unsolicited else one.solicited
        sequence = ((pending.sequence if pending else 3) + off) % 16
        self.ends[number].send(bytes([0xC0 | 0x10 * unsolicited | sequence, 0]), self.now)
        self.agree({number: one.confirm(sequence, unsolicited=unsolicited)})

    @rule(
        number=who,
        to=st.sampled_from([model.OPTIONAL, model.SHALL, model.NOT_WANTED]),
        what=st.sampled_from(
            [(model.FREEZE_NR, "14 00 06"), (model.WRITE, "50 01 00 07 07 00"), (model.READ, "3c 02 06")]
        ),
    )
    def broadcast(self, number: int, to: int, what: tuple[int, str]) -> None:
        octets = bytes([self.next(number), what[0]]) + bytes.fromhex(what[1])
        self.ends[number].send(octets, self.now, to)
        self.agree({number: self.models[number].told_all(octets, to)})

    @rule(number=who, control=st.sampled_from([0x40, 0x80, 0xE0, 0xD0]))
    def no_request(self, number: int, control: int) -> None:
        """Half a request, one that wants a confirm, one that says it is unsolicited: dropped."""
        self.ends[number].send(
            bytes([control | self.ends[number].sequence, model.DIRECT]) + b"\x29\x03\x17\x00", self.now
        )
        self.agree({})

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, 5.0, 11.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        expected = {number: one.wait(self.now) for number, one in self.models.items()}
        for end in self.ends.values():
            end.channel.handle_timer(self.now)
        self.agree(expected)

    @rule(number=who)
    def reconnect(self, number: int) -> None:
        end = self.ends[number]
        end.channel.close()
        end.open(self.now)
        self.agree({number: self.models[number].reconnect()})

    @invariant()
    def nothing_was_carried_out_twice_or_unasked(self) -> None:
        if hasattr(self, "shared"):
            assert [one.value for one in self.handler.done] == self.shared.operated


Walk.TestCase.settings = settings(
    max_examples=200 if THOROUGH else 40, stateful_step_count=200 if THOROUGH else 60, deadline=None
)
TestWhateverIsSaidInWhateverOrder = Walk.TestCase
