"""The documentation as a site: it builds strictly, fetches nothing when it is read, and names only tests that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
        "--strict",
        "--quiet",
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
