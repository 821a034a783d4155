"""`gridiface serve`: what it refuses before it starts anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gridiface.cli import main


def test_serve_refuses_a_broken_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "g.yaml"
    config.write_text("devices: [{id: a, driver: nonesuch}]\noperator: null\n")
    monkeypatch.setattr(sys, "argv", ["gridiface", "serve", str(config), "--child"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 2
