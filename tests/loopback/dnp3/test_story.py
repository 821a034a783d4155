"""Ten minutes of polls, reports and controls through a wire that cuts, delays, doubles and garbles, in virtual time."""

import random

import pytest

from gridiface.protocols.dnp3 import master_tasks as tasks
from gridiface.protocols.dnp3.controls import AnalogOutput
from gridiface.protocols.dnp3.database import Database
from gridiface.protocols.dnp3.master import Master
from gridiface.protocols.dnp3.master_settings import MasterSettings, PointsReceived, TaskDone
from gridiface.protocols.dnp3.outstation import Outstation
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.protocols.dnp3.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings

AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT
STEP = 0.05


class FaultyWire:
    """Carries chunks between the two cores in order; while `faults` is true it misbehaves."""

    def __init__(self, master, outstation, source):
        self.master, self.outstation, self.source = master, outstation, source
        self.now = 1_700_000_000.0
        self.channel = None
        self.faults = True
        self.cuts = 0
        self.on_the_way = {"up": [], "down": []}
        self.reconnect_at = self.now
        self.events = []

    def step(self):
        self.now += STEP
        if self.channel is None:
            if self.now >= self.reconnect_at:
                self.channel = self.outstation.open(self.now)
                self.master.connected(self.now)
            else:
                return
        self.channel.handle_timer(self.now)
        self.master.handle_timer(self.now)
        self._send("down", self.master.to_send(self.now))
        self._send("up", self.channel.to_send(self.now))
        for way in ("down", "up"):
            self._deliver(way)
            if self.channel is None:
                break
        while (event := self.master.next_event()) is not None:
            self.events.append(event)

    def _send(self, way, octets):
        if not octets:
            return
        queue, due, chunks = self.on_the_way[way], self.now, [octets]
        if self.faults:
            kind = self.source.random()
            if kind < 0.05:
                due += self.source.uniform(0.1, 2.0)
            elif kind < 0.08:
                chunks = [octets, octets]
            elif kind < 0.11:
                chunks = [self.source.randbytes(self.source.randrange(1, 40)), octets]
            elif kind < 0.13:
                chunks = [octets[: self.source.randrange(len(octets))], None]
            elif kind < 0.3:
                at = self.source.randrange(len(octets))
                chunks = [octets[:at], octets[at:]]
        due = max([due, *(item[0] for item in queue[-1:])])
        queue += [(due, chunk) for chunk in chunks]

    def _deliver(self, way):
        queue = self.on_the_way[way]
        while queue and queue[0][0] <= self.now:
            chunk = queue.pop(0)[1]
            if chunk is None:
                self._cut()
                return
            (self.channel if way == "down" else self.master).receive(chunk, self.now)

    def _cut(self):
        self.cuts += 1
        self.channel.close()
        self.channel = None
        self.master.disconnected(self.now)
        self.on_the_way = {"up": [], "down": []}
        self.reconnect_at = self.now + self.source.uniform(0.2, 5.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_control_runs_twice_no_event_is_lost_and_order_is_kept(accepting, seed):
    source = random.Random(seed)
    outstation = Outstation(
        OutstationSettings(10),
        [AssociationSettings(1, unsolicited=UnsolicitedSettings(confirm_timeout=2.0), confirm_timeout=2.0)],
        Database(
            [
                *(PointConfig(AI, index, event_class=2) for index in range(20)),
                *(PointConfig(BI, index, event_class=1) for index in range(5)),
                PointConfig(PointType.ANALOG_OUTPUT, 0),
            ]
        ),
        accepting,
        now=1_700_000_000.0,
    )
    master = Master(MasterSettings(1, 10, response_timeout=2.0))
    wire = FaultyWire(master, outstation, source)
    master.add_poll((1, 2, 3), 4.0, wire.now)
    master.add_poll((1, 2, 3, 0), 60.0, wire.now)
    made = {}
    for number in range(int(600 / STEP)):
        wire.faults = number * STEP < 560
        if number % 3 == 0 and number * STEP < 560:
            index = source.randrange(20)
            value = float(number + 1)
            made.setdefault(index, []).append(value)
            outstation.database.update(wire.now, AI, index, value)
        if number % 100 == 50 and wire.channel is not None:
            master.submit("control", tasks.control([(0, AnalogOutput(float(number)))], select=bool(number & 1)))
        wire.step()
    assert wire.cuts > 5
    operated = [request.command.value for request in accepting.operated]
    assert len(operated) == len(set(operated)) > 50
    done = [event for event in wire.events if isinstance(event, TaskDone) and event.name == "control"]
    assert len(done) > 80
    assert sum(event.failure is None for event in done) <= len(operated)
    seen = {}
    for event in wire.events:
        for block in event.blocks if isinstance(event, PointsReceived) else ():
            for item in block.measurements():
                if item.is_event and item.type is AI and item.value not in seen.setdefault(item.point, []):
                    seen[item.point].append(item.value)
    assert seen == made
    state = outstation.associations[1].state
    assert state.buffer.dropped == 0
    assert len(state.buffer) == 0
