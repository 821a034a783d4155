"""Each sentence of the OpenADR check list and each conformance rule that a program can break has a test named after it.

A test's name says both: `test_NN_...` (several may stand there) are sentences of the list of what a VTN (1 to 46) and a
VEN (47 to 72) must do to pass, `_rNNN_` are numbered conformance rules of the 2.0b profile, version 1.1.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

SENTENCES = frozenset(range(1, 73))
RULES = frozenset(
    [
        *(number for number in range(1, 71) if number not in {11, 24, 26, 28, 34, 39, 44, 49, 54, 55}),
        *range(100, 117),
        *range(200, 212),
        *(number for number in range(300, 347) if number not in {310, 320, 323, 326, 332}),
        *range(400, 408),
        *(500, 501, 502, 506, 507, 508, 509, 510, 511, 512, 514, 515, 516, 517),
    ]
)
#: Rules without a test, and why.
EXCEPT = {
    201: "leaves the list of opt reasons to the program",
}


def names() -> set[str]:
    """Every test of anything that has OpenADR in its path."""
    return {
        node.name
        for path in TESTS.rglob("test_*.py")
        if "openadr" in str(path.relative_to(TESTS))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_each_sentence_of_the_list_has_a_test_of_its_number() -> None:
    found = {
        int(number)
        for name in names()
        if (numbers := re.match(r"test((?:_\d\d)+)_", name))
        for number in numbers[1].split("_")[1:]
    }
    assert sorted(SENTENCES - found) == []
    assert sorted(found - SENTENCES) == []


def test_each_rule_that_a_program_can_break_has_a_test_of_its_number() -> None:
    found = {int(number) for name in names() for number in re.findall(r"_r(\d+)(?=_)", name)}
    assert sorted(RULES - found - EXCEPT.keys()) == []
    assert sorted(found - RULES) == []
    assert EXCEPT.keys() <= RULES
