"""What pytest makes of the test modules (their rewritten asserts), made once by all workers together.

Every worker collects every test. In a fresh clone each would rewrite each module, at the same moment as all others:
three quarters of the time until the first test runs. So each makes its share first and finds the others' on disk.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# pytest offers no way to rewrite a module without running it.
from _pytest.assertion import rewrite


def share(config: Any) -> None:
    """Make this worker's share of what the run will collect; nothing where there is one process alone."""
    worker = getattr(config, "workerinput", None)
    if worker is None or sys.dont_write_bytecode:
        return
    number = int(worker["workerid"].removeprefix("gw"))
    for path in modules(config.args)[number :: worker["workercount"]]:
        make(path, config)


def modules(arguments: Iterable[str]) -> list[Path]:
    """The test modules in the folders that pytest was told to look at."""
    folders = [Path(one) for one in arguments if Path(one).is_dir()]
    return sorted({path for folder in folders for path in folder.rglob("test_*.py")})


def make(path: Path, config: Any) -> bool:
    """Rewrite one module, where that was never done; whether it was. One that has changed pytest finds by itself."""
    cached = rewrite.get_cache_dir(path) / f"{path.stem}{rewrite.PYC_TAIL}"
    if cached.exists() or not rewrite.try_makedirs(cached.parent):
        return False
    try:
        found, code = rewrite._rewrite_test(path, config)
    except SyntaxError:  # said where it is collected
        return False
    return rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, found, cached)
