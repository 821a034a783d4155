"""The shape of a benchmark's answer: machine, versions, work, and each figure's minimum, median and maximum."""

from __future__ import annotations

import os
import platform
import ssl
import statistics
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}


def versions(names: Iterable[str] = ("aiohttp", "cryptography", "lxml", "numpy", "sqlalchemy")) -> dict[str, str]:
    """What the figures were taken with."""
    own = {"python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION}
    return own | {name: version(name) for name in ("gridiface", *names)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median and maximum.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("a figure needs at least one run")
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie, nearest rank.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values, no percentile")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def report(name: str, work: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """The whole answer of one benchmark."""
    return {
        "bench": name,
        "work": dict(work),
        "figures": dict(figures),
        "machine": machine(),
        "versions": versions(),
    }


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken so far, all its threads, s; 0 where the system does not tell."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(task.read_text(encoding="ascii").split()[0])
        except (OSError, ValueError, IndexError):  # a thread that has just ended
            continue
    return total / 1e9


def pin(core: int) -> bool:
    """Keep this process on one core, where the machine has it; whether it was done."""
    if not hasattr(os, "sched_setaffinity") or core not in os.sched_getaffinity(0):
        return False
    os.sched_setaffinity(0, {core})
    return True
