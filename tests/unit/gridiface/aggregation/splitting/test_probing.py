"""A roof that gives all that is known of its sun is told a little more, so that a cloud does not stay for ever."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.splitting.probing import MARGIN, news
from gridiface.domain.fleet import Capability, Device, DeviceKind, Nameplate
from gridiface.domain.telemetry import Snapshot

ROOF_W = 10_000.0


def roof(name, **more):
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    return Device(id=name, kind=DeviceKind.PV, nameplate=Nameplate(max_w=ROOF_W, capabilities=able), **more)


class Sky:
    """Roofs under a sun, beside a battery that does what it is told."""

    def __init__(self, bench, count=1, **config):
        self.sun = ROOF_W / 2
        self.roofs = [f"r{number}" for number in range(count)]
        self.world = bench(*map(roof, self.roofs), battery("b", watts=20_000.0), **config)
        self.world.look = self.look
        self.available = None
        self.look()

    def power(self, name):
        told = self.world.told.get(name)
        if name == "b":
            return told or 0.0
        return self.sun if told is None else min(told, self.sun)

    def look(self):
        world = self.world
        world.engine.observe(
            [
                Snapshot(
                    device_id=device.id,
                    source_time=world.now,
                    received=world.now,
                    w=self.power(device.id),
                    soc=0.5 if device.id == "b" else None,
                    available_up_w=None if device.id == "b" else self.available,
                )
                for device in world.engine.devices()
            ],
            world.now,
        )

    def step(self, count=1):
        self.world.step(steps=count)
        return self

    @property
    def total(self):
        return sum(map(self.power, (*self.roofs, "b")))

    @property
    def sunny(self):
        return sum(map(self.power, self.roofs))


def test_after_a_cloud_the_roof_gives_what_the_sun_gives_and_the_total_stays(bench):
    sky = Sky(bench, trim_gain=0.3)
    sky.world.submit(ask(set_w=8_000.0))
    sky.step(20)
    assert (sky.sunny, sky.total) == pytest.approx((5_000.0, 8_000.0), abs=1.0)
    sky.sun = 1_000.0
    sky.step(30)
    assert (sky.sunny, sky.total) == pytest.approx((1_000.0, 8_000.0), abs=1.0)
    sky.sun = 6_000.0
    totals = []
    for _ in range(150):
        totals.append(sky.step().total)
    assert sky.sunny == pytest.approx(6_000.0)
    assert totals[-1] == pytest.approx(8_000.0, abs=1.0)
    assert max(totals) <= 8_000.0 + 2 * MARGIN * ROOF_W


def test_without_more_sun_nothing_is_sent_again_and_again(bench):
    sky = Sky(bench)
    sky.world.submit(ask(set_w=8_000.0))
    sky.step(20)
    sent = []
    for _ in range(60):
        sky.world.now += 1.0
        sky.look()
        sent += [point.device_id for point in sky.world.tick()]
    assert sent.count("r0") <= 1
    assert sky.world.told["r0"] == pytest.approx(5_000.0 + MARGIN * ROOF_W)


def test_an_unsteady_sun_makes_few_messages(bench):
    sky = Sky(bench)
    sky.world.submit(ask(set_w=8_000.0))
    sky.step(20)
    sent = []
    for number in range(60):
        sky.sun = 5_000.0 + 20.0 * (number % 7)
        sky.world.now += 1.0
        sky.look()
        sent += [point.device_id for point in sky.world.tick()]
    assert sent.count("r0") <= 12


def test_accounts_and_shares_are_made_of_what_is_known(bench):
    sky = Sky(bench)
    sky.world.submit(ask(set_w=8_000.0))
    sky.step(40)
    interval = sky.world.engine.performance.latest("c1")
    assert (interval.allocated_w, interval.delivered_w) == pytest.approx((8_000.0, 8_000.0))
    assert sky.world.told["b"] == pytest.approx(3_000.0)


def test_a_roof_that_is_curtailed_on_purpose_is_told_its_share(bench):
    sky = Sky(bench)
    sky.world.submit(ask(set_w=-18_000.0))
    sky.step(20)
    assert sky.total == pytest.approx(-18_000.0, abs=1.0)
    assert sky.world.told["r0"] == pytest.approx(-18_000.0 - sky.world.told["b"])


@pytest.mark.parametrize("lacks", [20.0, 250.0])
def test_a_roof_that_is_asked_for_nearly_all_of_its_sun_is_told_that_and_no_more(bench, lacks):
    sky = Sky(bench, count=3)
    asked = 3 * sky.sun - 7 * lacks  # the battery's range is four times that of a roof
    sky.world.submit(ask(set_w=asked))
    sky.step(20)
    for _ in range(60):
        assert sky.step().total == pytest.approx(asked, abs=1.0)
    assert sky.world.told["r0"] == pytest.approx(sky.sun - lacks, abs=1.0)


@pytest.mark.parametrize("limit", ["export_limit", "generation_limit"])
def test_a_limit_is_kept_whatever_the_sun_does(bench, limit):
    sky = Sky(bench, count=3)
    sky.sun = 1_000.0
    sky.world.submit(ask("target", set_w=9_000.0))
    sky.world.submit(ask("limit", **{limit: 9_200.0}))
    sky.step(20)
    assert sky.total == pytest.approx(9_000.0, abs=1.0)
    told = sum(sky.world.told[name] for name in sky.roofs)
    assert 3_000.0 < told <= 3_200.0 + 1e-6
    sky.sun = ROOF_W
    for _ in range(120):
        assert sky.step().total <= 9_200.0 + 1e-6
    assert sky.sunny > 5_000.0


def test_a_roof_that_tells_what_it_could_give_is_believed(bench):
    sky = Sky(bench)
    sky.available = 0.0
    sky.world.submit(ask(set_w=8_000.0))
    sky.step(20)
    assert sky.world.told["r0"] == pytest.approx(5_000.0)


def test_less_of_a_margin_is_told_at_once_and_more_where_it_is_worth_it(bench):
    sky = Sky(bench)
    columns = sky.world.engine._c
    row = columns.row["r0"]
    columns.margin_w[row] = 400.0
    for wanted, told in ((100.0, True), (395.0, False), (500.0, False), (700.0, False), (900.0, True)):
        values = np.zeros(columns.count)
        values[row] = wanted
        assert bool(news(columns, values, np.full(columns.count, 10.0))[row]) is told


@pytest.mark.parametrize("dark", [0.0, -15.0], ids=["nothing", "standby"])
def test_after_a_night_under_a_standing_set_point_the_roof_gives_what_the_sun_gives(bench, dark):
    sky = Sky(bench)
    sky.sun = dark
    sky.look()
    sky.world.submit(ask(set_w=8_000.0))
    sky.step(20)
    assert sky.sunny == dark
    sky.sun = 6_000.0
    sky.step(150)
    assert sky.sunny == pytest.approx(6_000.0)
    assert sky.total == pytest.approx(8_000.0, abs=1.0)


def test_who_is_to_stop_is_not_tried_in_the_dark(bench):
    sky = Sky(bench)
    able = frozenset({Capability.SET_W, Capability.CONNECT})
    plate = Nameplate(max_w=ROOF_W, capabilities=able)
    sky.world.engine.add_device(Device(id="r0", kind=DeviceKind.PV, nameplate=plate), sky.world.now)
    sky.sun = 0.0
    sky.look()
    sky.world.submit(ask(set_w=8_000.0))
    sky.step(20)
    assert sky.world.told["r0"] == MARGIN * ROOF_W
    assert sky.world.submit(ask("stop", authority=1.0, connect=0.0)).will_run
    sky.step(20)
    assert not sky.world.told["r0"]
