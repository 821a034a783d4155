"""Data folders are found in a checkout."""

from __future__ import annotations

import pytest

from gridiface.datafiles import data_folder


@pytest.mark.parametrize("name", ["schemas", "conformance", "certs"])
def test_folder_is_found(name: str) -> None:
    assert data_folder(name).is_dir()


def test_unknown_folder_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FileNotFoundError, match="schemas, conformance, certs"):
        data_folder("../etc")
