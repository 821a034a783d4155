"""Nothing in the pure rooms reads a clock, sleeps or draws unseeded chance: `now` is an argument."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "src" / "gridiface"
PURE = sorted(
    [
        *(ROOT / "domain").rglob("*.py"),
        *(ROOT / "protocols").rglob("*.py"),
        *(ROOT / "aggregation").rglob("*.py"),
        *(ROOT / "northbound").rglob("translate*.py"),
        *(ROOT / "northbound").rglob("handlers*.py"),
        *(path for path in (ROOT / "northbound").rglob("*.py") if "handlers" in path.parent.name),
    ]
)
FORBIDDEN = {
    "time": {"time", "monotonic", "sleep", "perf_counter", "time_ns", "monotonic_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "random": {"random", "randint", "uniform", "choice", "getrandbits"},
    "secrets": {"token_bytes", "token_hex", "randbelow"},
    "os": {"urandom", "getrandom"},
    "uuid": {"uuid1", "uuid4"},
}


def is_forbidden(name: str) -> bool:
    """Whether a dotted call is one of the clocks or dice."""
    module, _, function = name.rpartition(".")
    return function in FORBIDDEN.get(module.rpartition(".")[2], set())


def called_name(node: ast.Call) -> str:
    """The dotted name of what is called, as written."""
    try:
        return ast.unparse(node.func)
    except ValueError:
        return ""


@pytest.mark.parametrize("path", PURE, ids=lambda p: str(p.relative_to(ROOT)))
def test_pure_module_reads_no_clock(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    bound = {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [
        f"line {node.lineno}: {name}"
        for node in calls
        if is_forbidden(name := called_name(node)) and name.partition(".")[0] in bound
    ]
    assert not found, f"{path} reads a clock or draws chance: {found}"


def test_the_pure_rooms_were_found() -> None:
    assert len(PURE) > 20
