"""The server's rooms without peers: timers, outcomes, lookups. Peers over sockets are in tests/loopback."""

import pytest
from tests.clocks import StandingClock

from gridiface.domain.controls import Outcome, OutcomeKind
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.server import Dnp3Server
from gridiface.northbound.dnp3.settings import Dnp3Settings
from gridiface.protocols.dnp3.points import PointType


@pytest.fixture
def server(house, station_settings):
    settings = Dnp3Settings(stations=(station_settings(),), endpoints=(), refresh_s=2.0)
    return Dnp3Server(settings, clock=StandingClock(1.7e9), inbox=house, ledger=house, fleet=house, history=house)


async def test_the_points_are_written_at_the_start_and_each_period(server, house):
    await server.start()
    database = server.station("gw").database
    assert database.value(PointType.ANALOG_INPUT, 0)[0] == 1.25
    now = server.now()
    assert server.next_timer(now) == now + 2
    beats = server.station("gw")._beats
    server.handle_timer(now + 1)
    assert server.station("gw")._beats == beats
    server.handle_timer(now + 2)
    assert server.station("gw")._beats == beats + 1
    assert server.next_timer(now + 2) == now + 4
    await server.stop()


async def test_a_clock_that_goes_back_does_not_stop_the_refresh(server):
    await server.start()
    now = server.now() - 3600
    assert server.next_timer(now) <= now + 2
    beats = server.station("gw")._beats
    server.handle_timer(now)
    assert server.station("gw")._beats == beats + 1


async def test_outcomes_of_others_change_nothing(server):
    await server.start()
    server.on_outcome(Outcome(control_id="somebody's", kind=OutcomeKind.COMPLETED, at=server.now()))
    assert server.refresh(server.now()) >= 0
    assert server.port == 0
    assert list(server.ports) == []


def test_an_unknown_station_names_the_known_ones(server):
    with pytest.raises(ConfigError, match="gw"):
        server.station("gateway")


@pytest.mark.parametrize("seconds", [-86_400.0, 3600.0])
async def test_who_looks_at_the_clock_after_it_was_set_tells_all_that_wait(house, station_settings, seconds):
    clock = StandingClock(1.7e9, 5.0)
    settings = Dnp3Settings(stations=(station_settings(),), endpoints=(), refresh_s=2.0)
    server = Dnp3Server(settings, clock=clock, inbox=house, ledger=house, fleet=house, history=house)
    await server.start()
    station = server.station("gw")
    channel = station.outstation.open(server.now())
    station.handler._trouble_until = clock.at + 5.0
    clock.at += seconds
    clock.steady += 0.0
    due = server.next_timer(clock.at)
    assert due is not None
    server.handle_timer(clock.at)
    assert channel.next_timer() is None or channel.next_timer() > clock.at
    assert not channel.lost
    assert station.handler._trouble_until == clock.at + 5.0
    assert server.next_timer(clock.at) <= clock.at + 2.0
    before = station.handler._trouble_until
    clock.at += 1.0
    clock.steady += 1.0
    server.now()
    assert station.handler._trouble_until == before
    await server.stop()
