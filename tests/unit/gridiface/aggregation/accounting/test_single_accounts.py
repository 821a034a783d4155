"""The accounts of controls of single devices come to what the account of each one comes to."""

import random
from dataclasses import replace

import pytest
from tests.unit.gridiface.aggregation.accounting.test_scoring import gap
from tests.unit.gridiface.aggregation.conftest import T0, ask

from gridiface.aggregation.accounting import single_accounts, single_spans
from gridiface.aggregation.accounting.capping import Capped
from gridiface.aggregation.accounting.scoring import Account, Sample
from gridiface.aggregation.accounting.single_accounts import SingleAccounts
from gridiface.aggregation.accounting.single_spans import Spans
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ServiceClass, Target, TargetKind
from gridiface.domain.telemetry import Quality


def of(name, **more):
    control = ask(name, **({"set_w": 1.0} | more))
    return replace(control, target=Target(TargetKind.DEVICE, f"d-{name}"))


def made(records):
    return [one for record in records for one in (record.intervals() if isinstance(record, Spans) else [record])]


def some(draw):
    """What holds for a control at some moment; None: nothing."""
    if draw.random() < 0.15:
        return None
    values = [draw.choice([None, draw.uniform(-5e3, 5e3)]) for _ in range(5)]
    beyond = draw.choice([None, draw.uniform(-300, 300)])
    capped = Capped(draw.uniform(0, 5e3), None if beyond is None else 1.0, beyond)
    return Sample(*values, draw.choice(list(Quality)), capped=capped)


class Both:
    """Accounts in columns, and one by one."""

    def __init__(self, interval_s):
        self.columns, self.interval_s = Columns(), interval_s
        self.many, self.ones, self.over = SingleAccounts(interval_s, 100), {}, {}

    def open(self, name, now, gap=None, latest=0.0):
        self.many.open(of(name), now, gap, latest)
        self.ones[name] = Account(name, f"d-{name}", now, self.interval_s, gap=gap, latest=latest)

    def turn(self, names, samples, now):
        """Some end, and the others are given what holds from now on."""
        found, alone = made(self.many.close(names, now)) if names else [], []
        for name in names:
            self.over[name] = self.ones.pop(name)
            alone += self.over[name].close(self.columns, now)[0]
        found += made(self.many.sample(samples.get, None, now))
        alone += [one for name, each in self.ones.items() for one in each.sample(samples[name], self.columns, now)]
        self.same(found, alone)
        dues = [account.due for account in self.ones.values()]
        assert self.many.due() == pytest.approx(min(dues, default=float("inf")))

    def same(self, found, alone):
        key = lambda one: (one.control_id, one.start, one.end)  # noqa: E731
        found, alone = sorted(found, key=key), sorted(alone, key=key)
        assert len(found) == len(alone)
        for one, other in zip(found, alone, strict=True):
            self.alike(one, other)

    def alike(self, one, other):
        for name in ("control_id", "target_id", "quality", "reason"):
            assert getattr(one, name) == getattr(other, name)
        fields = ["start", "end", "known"]
        fields += [f"{name}_w" for name in ("requested", "accepted", "allocated", "acknowledged", "delivered")]
        pairs = [(getattr(one, name), getattr(other, name)) for name in fields]
        assert (one.limit is None) == (other.limit is None)
        if one.limit is not None:
            pairs += [(getattr(one.limit, name), getattr(other.limit, name)) for name in ("limit_w", "excess_w")]
            pairs += [(getattr(one.limit, name), getattr(other.limit, name)) for name in ("over_s", "peak_w")]
        for mine, theirs in pairs:
            assert mine == (None if theirs is None else pytest.approx(theirs, abs=1e-6))

    def compare(self):
        for name, account in {**self.ones, **self.over}.items():
            latest = account.latest()
            mine = self.many.latest(name)
            assert (mine is None) == (latest is None)
            if mine is not None:
                self.alike(mine, latest)
            ours = [one for report in self.many.reports(name) for one in report.intervals]
            assert all(report.whole for report in self.many.reports(name))
            self.same(ours, account.reports(devices=False)[0].intervals)


@pytest.mark.parametrize("seed", range(30))
def test_they_come_to_what_each_one_comes_to(seed):
    draw = random.Random(seed)
    both, now, number = Both(draw.choice([2.0, 10.0, 60.0])), T0, 0
    for _ in range(40):
        while draw.random() < 0.4:
            before = replace(gap(now - 30, now), control_id=f"c{number}", target_id=f"d-c{number}")
            led = draw.random() < 0.3
            both.open(f"c{number}", now, before if led else None, now + 3.0 if led else 0.0)
            number += 1
        over = draw.sample(sorted(both.ones), draw.randint(0, len(both.ones))) if draw.random() < 0.3 else []
        both.turn(over, {name: some(draw) for name in both.ones}, now)
        both.compare()
        now += draw.choice([0.25, 1.0, 1.0, 3.0, 25.0])
        if draw.random() < 0.1:
            both.many.shift_time(100.0)
            for account in both.ones.values():
                account.shift_time(100.0)
            now += 100.0


def test_where_thousands_run_intervals_are_longer_but_not_in_the_fast_services(monkeypatch):
    monkeypatch.setattr(single_accounts, "ROWS_PER_S", 0.2)
    accounts = SingleAccounts(10.0, 100)
    for number in range(5):
        accounts.open(of(f"c{number}"), T0)
    accounts.open(of("fast", service_class=ServiceClass.REGULATION, regulation=1.0), T0)
    sample = Sample(1.0, 1.0, 1.0, 1.0, 1.0, Quality.GOOD)
    ended = []
    for second in range(31):
        ended += [(one.control_id, second) for one in made(accounts.sample(lambda name: sample, None, T0 + second))]
    assert ended.count(("fast", 10)) == 1
    assert [second for name, second in ended if name == "c0"] == [30]


def test_who_has_lost_its_oldest_intervals_says_so(monkeypatch):
    monkeypatch.setattr(single_spans, "MOST_KEPT", 2)
    accounts = SingleAccounts(2.0, 100)
    accounts.open(of("c0"), T0)
    sample = Sample(1.0, 1.0, 1.0, 1.0, 1.0, Quality.GOOD)
    for second in range(8):
        accounts.sample(lambda name: sample, None, T0 + second)
    (report,) = accounts.reports("c0")
    assert not report.whole
    assert report.intervals[0].start == T0 + 2
    assert report.intervals[-1].end == T0 + 7


def test_so_many_that_are_over_are_kept_and_unknown_ones_have_nothing():
    accounts = SingleAccounts(10.0, 2)
    for number in range(3):
        accounts.open(of(f"c{number}"), T0)
    accounts.sample(lambda name: Sample(1.0, 1.0, 1.0, 1.0, 1.0, Quality.GOOD), None, T0)
    accounts.close([f"c{number}" for number in range(3)], T0 + 4)
    assert len(accounts) == 0
    assert [len(accounts.reports(f"c{number}")) for number in range(3)] == [0, 1, 1]
    assert accounts.latest("c0") is None
    assert accounts.latest("c1").end == T0 + 4
    assert accounts.reports("unknown") == []
