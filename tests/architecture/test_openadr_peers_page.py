"""docs/conformance/openadr.md: no defect and no wish is missing, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "conformance" / "openadr.md").read_text(encoding="utf-8")
FOLDERS = dict(re.findall(r"`(\w+)`(?: is)? (tests/[\w/]+)", PAGE))
NAMED = sorted(set(re.findall(r"`(\w+)/([\w/]+\.py)::(\w+)", PAGE)))
#: Rows without a test: what they say is that something is not there.
NOT_THERE = {"W4"}


@cache
def declared(path: Path) -> frozenset[str]:
    """The tests of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_"))


def test_all_known_defects_and_wishes_have_their_row() -> None:
    rows = re.findall(r"^\| ([DW]\d+) \|", PAGE, re.MULTILINE)
    assert rows == [*(f"D{number}" for number in range(1, 22)), *(f"W{number}" for number in range(1, 19))]


def test_each_row_names_a_test_or_says_that_it_is_not_there() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| |")]
    heads = {"deviation", "what", "again", "the case wants"}
    bare = [row for row in rows if "::" not in row and row.split(" | ")[0].strip("| ") not in heads]
    assert {row.split(" | ")[0].strip("| ") for row in bare} == NOT_THERE
    assert all("not there" in row for row in bare)


@pytest.mark.parametrize(("folder", "file", "name"), NAMED)
def test_a_named_test_is_there(folder: str, file: str, name: str) -> None:
    path = ROOT / FOLDERS[folder] / file
    assert path.exists()
    assert name in declared(path)


def test_the_cases_by_hand_name_every_area_and_verbs_that_there_are() -> None:
    section = PAGE.partition("## The certification's cases by hand")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in section.splitlines() if "::" in line]
    assert {area for row in rows for area in re.findall(r"\b([NERPSA])[01_:]?(?=[,: ]|$)", row[0])} >= set("NERPS")
    known = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for row in rows:
        role = "ven" if "openadr ven" in row[1] else "vtn"
        for verb in re.findall(r"`([a-z]+)`", row[1]) + re.findall(r"openadr (?:vtn|ven) ([a-z]+)", " ".join(row[1:])):
            assert f"## gridiface openadr {role} {verb}\n" in known, verb
        for option in re.findall(r"(--[a-z-]+)", row[1]):
            assert f"`{option}`" in known, option
