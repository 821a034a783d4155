"""tests/unit mirrors both packages: no test without its module, no module with code without its test."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "gridiface": ROOT / "src" / "gridiface",
    "gridiface_southbound": ROOT / "southbound" / "gridiface_southbound",
}
UNIT = ROOT / "tests" / "unit"


def modules() -> list[Path]:
    """Every module of both packages as a path relative to its package's parent, without suffix."""
    return [
        path.relative_to(folder.parent)
        for folder in PACKAGES.values()
        for path in sorted(folder.rglob("*.py"))
        if "migrations" not in path.parts
    ]


def has_behaviour(path: Path) -> bool:
    """Whether a module defines a function with a body of its own (declarations alone need no test file)."""

    def is_body(statement: ast.stmt) -> bool:
        return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))

    functions = (
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return any(is_body(statement) for function in functions for statement in function.body)


def test_each_unit_test_file_mirrors_a_module_or_package() -> None:
    known = {module.with_suffix("") for module in modules()}
    packages = {module.parent for module in modules()}
    strays = []
    for path in sorted(UNIT.rglob("test_*.py")):
        mirrored = path.relative_to(UNIT).with_name(path.stem.removeprefix("test_"))
        whole_package = mirrored.name == mirrored.parent.name and mirrored.parent in packages
        if mirrored not in known and mirrored not in packages and not whole_package:
            strays.append(str(path.relative_to(ROOT)))
    assert not strays, f"test files that mirror nothing: {strays}"


def test_each_module_with_behaviour_has_its_test_file() -> None:
    missing = []
    for module in modules():
        source = (ROOT / "src" if module.parts[0] == "gridiface" else ROOT / "southbound") / module
        if module.name in {"__init__.py", "__main__.py"} or not has_behaviour(source):
            continue
        own = UNIT / module.with_name(f"test_{module.stem}.py")
        package_folder = module.parent
        shared = UNIT / package_folder.parent / f"test_{package_folder.name}.py"
        inside = UNIT / package_folder / f"test_{package_folder.name}.py"
        if not (own.exists() or shared.exists() or inside.exists()):
            missing.append(str(module))
    assert not missing, f"modules without a test file: {missing}"
