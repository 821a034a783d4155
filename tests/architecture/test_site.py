"""The documentation as a site: it builds strictly, fetches nothing when it is read, and names only tests that exist."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gridiface.operator.areas.catalogue import AREAS
from gridiface.operator.pages import Pages

ROOT = Path(__file__).resolve().parents[2]


def test_the_site_builds_without_a_warning_and_needs_nothing_from_outside(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "mkdocs",
        "build",
        "--strict",  # never with --quiet: what is not told is not counted either
        "--site-dir",
        str(tmp_path),
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "quick-start" / "index.html").read_text()
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//(?!www\.w3\.org)", page)
    assert (tmp_path / "search" / "search_index.json").exists()


@pytest.mark.parametrize("name", ["reliability.md", "security.md"])
def test_every_test_that_a_page_names_exists(name: str) -> None:
    found = re.findall(r"`((?:tests|requirements)/[^`]+)`", (ROOT / "docs" / name).read_text())
    assert len(found) > 10
    missing = [path for path in found if not (ROOT / path).exists()]
    assert not missing


def test_pictures_are_put_in_where_they_were_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    hook = _hook()
    monkeypatch.setattr(hook, "SHOTS", tmp_path)
    line = "before\n\n<!-- picture: overview | The overview -->\n\nafter"
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="operator/pages.md"))
    assert hook.on_page_markdown(line, page, None, None) == line
    (tmp_path / "overview-light.png").write_bytes(b"")
    assert "![The overview](../shots/overview-light.png){ loading=lazy }" in hook.on_page_markdown(
        line, page, None, None
    )
    (tmp_path / "overview-dark.png").write_bytes(b"")
    assert "overview-dark.png#only-dark" in hook.on_page_markdown(line, page, None, None)


def test_every_picture_that_a_page_wants_is_taken_by_the_browser_tests() -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    wanted = {found[1] for page in (ROOT / "docs").rglob("*.md") for found in _hook().LINE.finditer(page.read_text())}
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "browser").glob("*.py"))
    assert len(wanted) > 10
    assert not [name for name in wanted if f'"{name}"' not in tests]


def test_every_page_for_people_is_explained() -> None:
    areas: list[Any] = [kind.__new__(kind) for kind in AREAS]
    desk: Any = SimpleNamespace(status=None, peers={})
    mounted = {page.path for page in Pages(desk, areas=areas).pages() if page.method == "GET"}
    text = (ROOT / "docs" / "operator" / "overview.md").read_text()
    told = {re.sub(r"\{[a-z]+\}", "{id}", path) for path in re.findall(r"`(/[^`]*)`", text)}
    shown = {path for path in mounted if not path.startswith(("/static/", "/parts/")) and path != "/live"}
    assert not sorted(shown - told)


def _hook() -> Any:
    path = ROOT / "docs" / "hooks" / "shots.py"
    spec = importlib.util.spec_from_file_location("shots", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
