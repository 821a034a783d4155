"""What holds for controls of single devices, worked out for all of them: the same as asked for one by one."""

import random
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, Bench, ask, battery

from gridiface.aggregation.accounting.single_accounts import SingleAccounts
from gridiface.aggregation.accounting.single_samples import Samples
from gridiface.aggregation.engine import Engine
from gridiface.domain.controls import ServiceClass, Target, TargetKind
from gridiface.domain.fleet import Group

NAMES = "abcdef"


def of(name, number, **more):
    return replace(ask(f"c{number}", **more), target=Target(TargetKind.DEVICE, name))


def some(draw, number, at):
    modes = draw.choice(
        [
            {"set_w": draw.uniform(-6e3, 6e3)},
            {"set_w": draw.uniform(-4e3, 4e3), "export_limit": draw.uniform(0, 3e3)},
            {"export_limit": draw.uniform(0, 3e3), "load_limit": draw.uniform(0, 3e3)},
            {"import_limit": draw.uniform(0, 3e3), "generation_limit": draw.uniform(0, 3e3)},
            {"max_w_percent": draw.uniform(0, 100)},
            {"regulation": draw.uniform(-1e3, 1e3)},
        ]
    )
    fast = ServiceClass.REGULATION if "regulation" in modes else ServiceClass.DISPATCH
    more = {
        "authority": draw.choice([0.0, 1.0]),
        "program": draw.choice("pq"),
        "service_class": fast,
        "created": T0 + at,
    }
    return of(draw.choice(NAMES), number, start=at, duration=draw.choice([3.0, 12.0]), **modes, **more)


@pytest.mark.parametrize("seed", range(15))
def test_it_is_what_each_one_is_asked_for(seed):
    draw = random.Random(seed)
    bench = Bench(Engine())
    shares = {"a": {"p": 0.5}} if seed % 3 == 0 else {}
    for name in NAMES:
        bench.engine.add_device(battery(name, shares=shares.get(name, {})), T0)
    bench.engine.set_groups([Group(id="all", members=tuple(NAMES))], T0)
    running, seen = bench.engine._running, 0
    for number in range(25):
        at = bench.now - T0
        if draw.random() < 0.6:
            bench.submit(some(draw, number, at))
        if draw.random() < 0.2:
            bench.submit(ask(f"g{number}", start=at, duration=4, regulation=draw.uniform(-3e3, 3e3)))
        if draw.random() < 0.2:
            bench.silent = set(draw.sample(NAMES, 2))
        if draw.random() < 0.1:
            bench.engine.remove_device("f", bench.now)
        bench.lies = {draw.choice(NAMES): draw.uniform(-7e3, 7e3)}
        bench.step(draw.choice([0.5, 1.0, 3.0]))
        accounts: SingleAccounts = bench.engine._accounts._singles
        accounts._begin()
        sampling = running.sampling(bench.now)
        found, alone = sampling.singles(accounts), Samples.nothing(len(accounts.controls))
        for place, control in enumerate(accounts.controls):
            alone.put(place, sampling.one(control.id))
        held = alone.held
        np.testing.assert_array_equal(found.held, held)
        np.testing.assert_allclose(found.values[:, held], alone.values[:, held], atol=1e-6)
        np.testing.assert_array_equal(found.trust[held], alone.trust[held])
        np.testing.assert_array_equal(found.limited[held], alone.limited[held])
        mine = held & found.limited
        for name in ("limit_w", "beyond_w", "excess_w"):
            np.testing.assert_allclose(getattr(found, name)[mine], getattr(alone, name)[mine], atol=1e-6)
        seen += int(held.sum())
    assert seen > 10


def test_only_who_shares_its_device_or_has_a_signal_beside_it_is_asked_for_by_itself():
    bench = Bench(Engine())
    for name in NAMES:
        bench.engine.add_device(battery(name, shares={"p": 0.5} if name == "a" else {}), T0)
    bench.submit(of("a", 0, set_w=1_000.0, program="p"))
    bench.submit(of("b", 1, set_w=1_000.0))
    bench.submit(of("b", 2, duration=60, regulation=100.0, service_class=ServiceClass.REGULATION))
    bench.submit(of("c", 3, set_w=1_000.0))
    bench.submit(of("d", 4, export_limit=1_000.0))
    bench.step(steps=2)
    sampling, accounts = bench.engine._running.sampling(bench.now), bench.engine._accounts._singles
    asked = []
    sampling._looks.look(accounts, bench.engine._running.plan, lambda name: asked.append(name), bench.now)
    assert sorted(asked) == ["c0", "c1", "c2"]
