"""Workers share what pytest makes of the test modules (tests/rewritten.py)."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import pytest
from _pytest.assertion import rewrite
from tests import rewritten


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "inner").mkdir()
    for name in ("test_a", "test_b", "inner/test_c", "helper"):
        (tmp_path / f"{name}.py").write_text("def test_it():\n    assert 1 + 1 == 2\n")
    return tmp_path


def made(folder: Path) -> set[str]:
    return {path.name.split(".")[0] for path in folder.rglob("*.pyc")}


def worker(number: int, folder: Path, config: Any) -> Any:
    given = {"workerid": f"gw{number}", "workercount": 2}
    arguments = [str(folder), f"{folder}/test_a.py::test_it"]
    return SimpleNamespace(workerinput=given, args=arguments, stash=config.stash, getini=config.getini)


def test_each_worker_makes_its_share_and_all_make_everything(folder: Path, pytestconfig: Any) -> None:
    rewritten.share(worker(0, folder, pytestconfig))
    assert made(folder) == {"test_c", "test_b"}
    rewritten.share(worker(1, folder, pytestconfig))
    assert made(folder) == {"test_a", "test_b", "test_c"}


def test_pytest_takes_what_was_made(folder: Path, pytestconfig: Any) -> None:
    path = folder / "test_a.py"
    assert rewritten.make(path, pytestconfig)
    [cached] = folder.rglob("test_a*.pyc")
    code = rewrite._read_pyc(path, cached)
    assert code is not None
    assert "@py_assert" in repr([one.co_varnames for one in code.co_consts if isinstance(one, CodeType)])
    assert not rewritten.make(path, pytestconfig)
    path.write_text("changed = True\n")
    assert rewrite._read_pyc(path, cached) is None


def test_what_is_no_python_is_left_to_the_collection(folder: Path, pytestconfig: Any) -> None:
    (folder / "test_d.py").write_text("def\n")
    assert not rewritten.make(folder / "test_d.py", pytestconfig)
    assert made(folder) == set()


def test_one_process_alone_has_nothing_to_share(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: Any
) -> None:
    rewritten.share(SimpleNamespace(args=[str(folder)]))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    rewritten.share(worker(0, folder, pytestconfig))
    assert made(folder) == set()
