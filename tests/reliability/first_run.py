"""R30: two commands on a clean clone to the first acknowledged event, timed. Prints one JSON line.

    python tests/reliability/first_run.py

`git clone` and `make demo`, as the README says, in a folder of its own; then page and REST API are asked until a
page is there and until a device has answered a control. Exit code 0: within the bounds of R30.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

#: R30: time to install, from there to the page, from there to the first response, s.
BOUNDS = {"install_s": 60.0, "page_s": 10.0, "response_s": 30.0}

#: Longest that anything is waited for, s.
PATIENCE_S = 600.0


def main() -> int:
    """Measure; 0: within the bounds."""
    # Who ends us means the demo, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="gridiface-first-") as folder:
        clone = Path(folder) / "gridiface"
        began = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        cloned = time.monotonic()
        port = free_port()
        words = ["make", "--silent", "demo", f"ARGS=--headless --stay --port {port}"]
        environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        process = subprocess.Popen(words, cwd=clone, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            installed = until(process, (clone / ".venv" / ".run").exists)
            page = until(process, lambda: bool(fetched(port, "/")))
            response = until(process, lambda: answered(port))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    told = {
        "clone_s": cloned - began,
        "install_s": installed - cloned,
        "page_s": page - installed,
        "response_s": response - page,
    }
    ok = all(told[name] <= most for name, most in BOUNDS.items())
    rounded = {name: round(value, 1) for name, value in told.items()}
    print(json.dumps({"id": "R30", "ok": ok, **rounded, "cpus": os.cpu_count(), "bounds": BOUNDS}))
    return 0 if ok else 1


def until(process: subprocess.Popen[bytes], check: Any) -> float:
    """When something is so.

    Raises:
        RuntimeError: the demo ended, or it took too long.
    """
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if check():
            return time.monotonic()
        if process.poll() is not None:
            raise RuntimeError(f"`make demo` ended with {process.returncode}")
        time.sleep(0.05)
    raise RuntimeError("it took too long")


def answered(port: int) -> bool:
    """Whether a device has answered a control."""
    raw = fetched(port, "/api/v1/controls?limit=5")
    controls = json.loads(raw)["controls"] if raw else []
    return any(sum(control.get("responses", {}).values()) > 0 for control in controls)


def fetched(port: int, path: str) -> bytes:
    """The answer, or nothing while there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bytes(answer.read())
    except (OSError, urllib.error.URLError):
        return b""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
