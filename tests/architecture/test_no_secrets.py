"""No private key, token, registry host or machine path is in the tree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEY = re.compile(rb"-----BEGIN (?:EC |RSA |ENCRYPTED |OPENSSH )?PRIVATE " + rb"KEY-----")
HOSTS = re.compile(
    rb"files\.python" + rb"hosted\.org|pypi\." + rb"org/simple|registry\.npm" + rb"js\.org|deb\." + rb"debian\.org"
)
PATHS = re.compile(rb"(?<![\w./])/(?:wo" + rb"rk/main|wo" + rb"rk/shared|tm" + rb"p/w)\b")


def tracked() -> list[Path]:
    """The files that are or would be in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name.decode() for name in out.split(b"\0") if name and (ROOT / name.decode()).is_file()]


def test_no_private_key_is_in_the_tree() -> None:
    assert not [str(path) for path in tracked() if KEY.search(path.read_bytes())]


def test_no_registry_host_and_no_machine_path_is_in_the_tree() -> None:
    found = [str(p) for p in tracked() if HOSTS.search(p.read_bytes()) or PATHS.search(p.read_bytes())]
    assert not found


def test_no_official_schema_is_in_the_tree() -> None:
    owned = (b"Copyright \xc2\xa9 IEEE", b"ZigBee Alliance", b"OpenADR Alliance. All rights")
    xsds = [path for path in tracked() if path.suffix == ".xsd"]
    assert not [str(path) for path in xsds if any(mark in path.read_bytes() for mark in owned)]
