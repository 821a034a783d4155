import numpy as np
import pytest

from gridiface.aggregation.listening import health
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Device, Nameplate


@pytest.fixture
def columns():
    columns = Columns()
    for name in ("a", "b"):
        columns.put(Device(id=name, nameplate=Nameplate(max_w=1.0)))
    columns.received[:], columns.seen[:], columns.period_s[:] = 0.0, 5, 1.0
    return columns


def test_a_failure_is_news_once_and_doubles_the_wait(columns):
    assert health.fail(columns, 0, 0.0, wait_s=10.0, longest_s=300.0)
    assert not health.fail(columns, 0, 1.0, wait_s=10.0, longest_s=300.0)
    columns.received[0] = 2.0
    assert health.recover(columns, 10.0).size == 0
    assert health.recover(columns, 21.0).tolist() == [0]
    assert health.fail(columns, 0, 22.0, wait_s=10.0, longest_s=300.0)
    columns.received[0] = 23.0
    assert health.recover(columns, 41.0).size == 0
    assert health.recover(columns, 42.0).tolist() == [0]


def test_a_clean_record_is_given_back(columns):
    health.fail(columns, 0, 0.0, wait_s=10.0, longest_s=300.0)
    columns.received[0] = 1.0
    health.recover(columns, 10.0)
    health.fail(columns, 0, 1_000.0, wait_s=10.0, longest_s=300.0)
    assert columns.back_at[0] == 1_010.0


def test_who_is_not_heard_of_does_not_come_back(columns):
    health.fail(columns, 0, 5.0, wait_s=10.0, longest_s=300.0)
    assert health.recover(columns, 100.0).size == 0
    columns.seen[0] = 0  # never sends telemetry: tried again after its time
    assert health.recover(columns, 100.0).tolist() == [0]


def test_silence_is_found_at_three_periods_and_never_for_who_never_spoke(columns):
    def allowed():
        return health.allowed_silence(columns, lost_after_s=4.0, reconnecting=False)

    columns.seen[1] = 0
    assert health.watch(columns, 4.0, allowed()).size == 0
    assert health.next_watch(columns, allowed()) == 4.0
    assert health.watch(columns, 4.1, allowed()).tolist() == [0]
    columns.period_s[1], columns.seen[1] = 300.0, 3
    assert health.watch(columns, 899.0, allowed()).size == 0
    assert np.array_equal(columns.lost, [True, False])


def test_who_tells_by_itself_has_time_to_find_us_again(columns):
    columns.reconnects[0], columns.seen[:] = True, 1
    assert health.allowed_silence(columns, lost_after_s=4.0, reconnecting=False).tolist() == [4.0, 4.0]
    assert health.allowed_silence(columns, lost_after_s=4.0, reconnecting=True).tolist() == [20.0, 4.0]
    columns.period_s[:] = 10.0
    assert health.allowed_silence(columns, lost_after_s=4.0, reconnecting=True).tolist() == [30.0, 30.0]
    columns.period_s[:], columns.seen[0] = 1.0, health.RECONNECTED
    assert health.allowed_silence(columns, lost_after_s=4.0, reconnecting=True).tolist() == [4.0, 4.0]


def test_who_was_not_asked_behind_its_open_breaker_waits_as_long_as_before_and_not_twice_as_long(columns):
    columns.seen[:] = 0
    now = 0.0
    for relapse, waited in ((True, 10.0), (False, 10.0), (False, 10.0), (True, 20.0), (False, 20.0), (True, 40.0)):
        assert health.fail(columns, 0, now, wait_s=10.0, longest_s=300.0, relapse=relapse)
        assert float(columns.back_at[0]) == now + waited
        now += waited
        assert health.recover(columns, now).tolist() == [0]


def test_who_is_tried_again_in_vain_goes_on_as_its_readings_showed_since_it_failed_first(columns):
    health.fail(columns, 0, 5.0, wait_s=10.0, longest_s=300.0)
    columns.received[0] = 12.0
    assert health.recover(columns, 15.0).tolist() == [0]
    health.fail(columns, 0, 16.0, wait_s=10.0, longest_s=300.0)
    assert columns.down_at[0] == 5.0
    columns.lost[0] = True  # silent by now: nothing of it is known
    columns.down[0] = False
    health.fail(columns, 0, 40.0, wait_s=10.0, longest_s=300.0)
    assert columns.down_at[0] == 40.0


@pytest.mark.parametrize(
    ("told", "shown", "moved"),
    [
        (1_200.0, 1_200.0, True),
        (1_200.0, 1_100.0, True),
        (1_200.0, 1_090.0, False),
        (1_200.0, 1_400.0, True),
        (1_200.0, 1_410.0, False),
        (800.0, 900.0, True),
        (800.0, 1_200.0, False),
        (1_090.0, 1_090.0, False),
        (float("nan"), 1_200.0, False),
        (1_200.0, float("nan"), False),
    ],
)
def test_who_has_moved_came_half_of_a_way_that_can_be_seen(told, shown, moved):
    found = health.has_moved(*(np.array([value]) for value in (1_000.0, told, shown, 5_000.0)))
    assert found.tolist() == [moved]
