"""What conformance/pics/dnp3.md claims of the outstation: no sentence is missing, and every test it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "conformance" / "pics" / "dnp3.md"
FOLDERS = {
    "core": "tests/unit/gridiface/protocols/dnp3",
    "adapter": "tests/unit/gridiface/northbound/dnp3",
    "server": "tests/loopback/dnp3_server",
    "loopback": "tests/loopback/dnp3",
}
#: Sentences of the checklist "an outstation that would pass subset level 3 + DER profile must ...".
SENTENCES = 66


@cache
def declared(path: Path) -> frozenset[str]:
    """The tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_"))


def rows() -> dict[int, tuple[str, list[str]]]:
    """Number of each sentence, its words and the tests named for it."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        row = re.fullmatch(r"\| (\d+) \| (.+?) \| (.+) \|", line)
        if row and "::" in row[3]:
            found[int(row[1])] = (row[2], re.findall(r"(\w+)/([\w/]+\.py)::(\w+)", row[3]))
    return found


def test_no_sentence_is_missing() -> None:
    assert sorted(rows()) == list(range(1, SENTENCES + 1))


@pytest.mark.parametrize("number", range(1, SENTENCES + 1))
def test_a_sentence_has_a_test_named_after_it_and_all_its_tests_exist(number: int) -> None:
    _, named = rows()[number]
    assert named
    for folder, file, name in named:
        path = ROOT / FOLDERS[folder] / file
        assert name in declared(path), f"{path} has no {name}"
    own = re.compile(rf"test_(\d\d_)*{number:02d}_")
    assert any(own.match(name) for _, _, name in named), f"no test is named test_{number:02d}_..."
