"""What conformance/pics/sep2.md claims of the 2030.5 server and client: no sentence is missing, every test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "conformance" / "pics" / "sep2.md").read_text(encoding="utf-8")
FOLDERS = {
    "server": "tests/unit/gridiface/northbound/sep2",
    "core": "tests/unit/gridiface/protocols/sep2",
    "pki": "tests/unit/gridiface/pki",
    "tls": "tests/loopback/tls",
    "wire": "tests/loopback/sep2",
    "up": "tests/unit/gridiface/northbound/sep2/upstream",
    "upwire": "tests/loopback/sep2_upstream",
    "flows": "tests/flows",
    "tests": "tests",
}
#: Sentences of the checklist "a server that would pass certification must ...".
SENTENCES = 88
NAMED = sorted(set(re.findall(r"`(\w+)/([\w/]+\.py)(?:::(\w+))?`", PAGE)))


@cache
def declared(path: Path) -> frozenset[str]:
    """The tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_sentence_is_missing() -> None:
    told: set[int] = set()
    for first, last in re.findall(r"^\| (\d+)(?:-(\d+))? \| ", PAGE, re.MULTILINE):
        told.update(range(int(first), int(last or first) + 1))
    assert told >= set(range(1, SENTENCES + 1))


@pytest.mark.parametrize(("folder", "file", "name"), NAMED, ids=lambda part: part)
def test_what_is_named_is_there(folder: str, file: str, name: str) -> None:
    path = ROOT / FOLDERS[folder] / file
    assert path.is_file()
    assert not name or name in declared(path)
