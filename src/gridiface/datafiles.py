"""Finds the data folders (schemas, conformance, certs) in an installed wheel or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = ("schemas", "conformance", "certs")


def data_folder(name: str) -> Path:
    """The folder `name` ("schemas", "conformance" or "certs") that this installation carries.

    Raises:
        FileNotFoundError: the installation is broken: neither the wheel's nor the checkout's folder is there.
    """
    if name not in _FOLDERS:
        raise FileNotFoundError(f"no data folder is called {name!r}; there are {', '.join(_FOLDERS)}")
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the data folder {name!r} is missing from this installation of gridiface")
