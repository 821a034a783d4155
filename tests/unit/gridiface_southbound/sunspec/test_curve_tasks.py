"""What is asked of functions with curves, and how what came of it joins what else one command did."""

from __future__ import annotations

from gridiface.drivers.api import Ack
from gridiface_southbound.sunspec.curve_tasks import Done, Task, with_curves

ACK = Ack(
    device_id="d", at=1.0, written={"704.WSet": 5.0}, read_back={"704.WSet": 5.0}, notes=("a",), skipped=("b",),
    undone=frozenset({"set_var"}), revert_s=60.0,
)  # fmt: skip


def test_what_cannot_be_is_told_by_a_curves_name_and_undone_as_a_curve() -> None:
    task = Task()
    task.cannot("curve:volt_var", "the device has no model for it")
    task.cannot("frequency_droop", "not now")
    assert task.skipped == ["volt_var: the device has no model for it", "frequency_droop: not now"]
    assert task.undone == {"curve:volt_var", "frequency_droop"}


def test_an_ack_takes_what_was_done_to_curves_with_it() -> None:
    done = Done(
        written={"705.Ena": 1.0}, read_back={"705.Ena": 1.0}, revert_s=30.0, notes=["c"], skipped=["d"],
        undone={"curve:volt_watt"},
    )  # fmt: skip
    both = with_curves(ACK, done)
    assert both.written == both.read_back == {"704.WSet": 5.0, "705.Ena": 1.0}
    assert (both.notes, both.skipped) == (("a", "c"), ("b", "d"))
    assert both.undone == {"set_var", "curve:volt_watt"}
    assert both.revert_s == 30.0, "the timer that runs out first"


def test_an_ack_stays_as_it_is_where_nothing_was_done() -> None:
    assert with_curves(ACK, Done()) == ACK
