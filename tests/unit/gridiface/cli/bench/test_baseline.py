"""The baseline benchmark's answer on a small fleet."""

from __future__ import annotations

from gridiface.cli.bench.baseline import measure


def test_the_answer_names_the_work_and_every_figure() -> None:
    answer = measure(1, (20,))
    assert answer["bench"] == "baseline"
    assert answer["work"] == {"runs": 1, "meters": [20], "days": 45, "intervals": 96}
    figures = answer["figures"]["20"]
    assert set(figures) == {
        "numpy gather and mean",
        "gaps in 0% of the meters",
        "gaps in 1% of the meters",
        "gaps in 100% of the meters",
    }
    for name in ("10-of-10", "5-of-10"):
        spread = figures["gaps in 100% of the meters"][name]["milliseconds"]
        assert 0 < spread["min"] <= spread["median"] <= spread["max"]
