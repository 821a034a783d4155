"""The benchmarks do the work they name, at sizes that take no time."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from gridiface.cli.bench import allocate
from gridiface.cli.bench.app import app

RUN = CliRunner()


def test_allocate_measures_each_size_and_strategy() -> None:
    found = allocate.measure(3, (100, 1000))
    assert set(found["figures"]) == {"100", "1000"}
    assert set(found["figures"]["100"]) == {"water-filling", "merit-order", "phase balance"}
    assert found["figures"]["100"]["water-filling"]["milliseconds"]["min"] > 0


def test_verbs_print_json_or_lines() -> None:
    result = RUN.invoke(app, ["allocate", "--runs", "3", "--sizes", "100", "--json"])
    assert json.loads(result.stdout)["work"] == {"runs": 3, "sizes": [100]}
    assert "water-filling" in RUN.invoke(app, ["allocate", "--runs", "3", "--sizes", "100"]).stdout
