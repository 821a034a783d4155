"""Whose connection it is: one's own or a shared one."""

import asyncio

from gridiface_southbound.dnp3.config import Dnp3Config
from gridiface_southbound.dnp3.wire import Wire, wire_for


def config(**keys):
    return Dnp3Config.model_validate({"host": "h", "inputs": [{"shows": "w", "index": 0}], **keys})


class Carrier:
    closed = False
    sent = b""

    def get_extra_info(self, name):
        return None

    def is_closing(self):
        return self.closed

    def write(self, octets):
        self.sent += octets

    def abort(self):
        self.closed = True


class Link:
    def __init__(self):
        self.said = []

    def ready(self):
        self.said.append("ready")

    def received(self, data):
        self.said.append(data)

    def lost(self):
        self.said.append("lost")


async def test_connections_are_shared_where_it_is_said_and_on_lines():
    assert wire_for(config()) is not wire_for(config())
    one = wire_for(config(shared_connection=True))
    assert one is wire_for(config(shared_connection=True, outstation=11))
    assert one is not wire_for(config(shared_connection=True, port=20_001))
    line = wire_for(config(host="", serial_port="/dev/null"))
    assert line.shared
    assert line is wire_for(config(host="", serial_port="/dev/null", outstation=7))


async def test_all_users_hear_and_the_last_to_leave_closes():
    wire, carrier, first, second = Wire(shared=True), Carrier(), Link(), Link()
    wire.write(b"nobody")
    wire.use(first)
    wire.connection_made(carrier)
    wire.use(second)
    wire.data_received(b"x")
    wire.write(b"y")
    wire.leave(first)
    wire.leave(first)
    assert wire.usable
    wire.data_received(b"z")
    wire.leave(second)
    assert (first.said, second.said) == (["ready", b"x"], ["ready", b"x", b"z"])
    assert (carrier.closed, carrier.sent, wire.usable) == (True, b"y", False)


async def test_a_loss_is_told_to_all():
    wire, first, second = Wire(shared=True), Link(), Link()
    for one in (first, second):
        wire.use(one)
    wire.connection_made(Carrier())
    wire.connection_lost(None)
    assert first.said == second.said == ["ready", "lost"]
    assert not wire.usable
    await asyncio.sleep(0)
