"""A folder lives as long as its process, and is taken away by the next one where that was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gridiface.simulation.scratch import Scratch, sweep

_MAKE = "import sys, pathlib, time; from gridiface.simulation.scratch import Scratch; \
s = Scratch(pathlib.Path(sys.argv[1])); print(s.path, flush=True); time.sleep(600)"


def test_what_a_killed_process_left_is_taken_away_and_what_is_held_stays(tmp_path: Path) -> None:
    foreign = tmp_path / "gridiface-foreign"
    foreign.mkdir()
    process = subprocess.Popen([sys.executable, "-c", _MAKE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        mine = Scratch(tmp_path)
        assert theirs.exists()
        assert sweep(tmp_path) == []
    finally:
        process.kill()
        process.communicate()
    assert sweep(tmp_path) == [theirs]
    assert not theirs.exists()
    assert mine.path.exists()
    assert foreign.exists()
    mine.remove()
    mine.remove()
    assert not mine.path.exists()
