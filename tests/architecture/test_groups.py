"""Whatever module names a group is run by one worker (tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MARK = "mark." + "xdist_group"


def test_every_module_that_names_a_group_is_scheduled_by_it(pytestconfig: Any) -> None:
    plugins = pytestconfig.pluginmanager.get_plugins()
    [conftest] = [one for one in plugins if getattr(one, "__file__", None) == str(ROOT / "tests/conftest.py")]
    naming = [path for path in (ROOT / "tests").rglob("test_*.py") if MARK in path.read_text()]
    assert len(naming) > 10
    assert all(conftest.group_of(str(path)) for path in naming)
    screens = "tests/browser/test_screens.py"
    place = object.__new__(conftest.Grouped)._split_scope
    assert place(f"{screens}::a[0]") == place(f"{screens}::b") == "screens"
    assert place("tests/architecture/test_groups.py::a") == "tests/architecture/test_groups.py::a"
