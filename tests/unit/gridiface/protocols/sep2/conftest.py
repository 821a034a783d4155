"""Fixtures of the IEEE 2030.5 tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lxml import etree

CACHED = Path(__file__).resolve().parents[5] / ".cache" / "schemas" / "sep2" / "sep.xsd"


@pytest.fixture(scope="session")
def official_xsd() -> etree.XMLSchema:
    """The official schema, from GRIDIFACE_SEP2_XSD or the cache; skips where there is neither."""
    path = Path(os.environ.get("GRIDIFACE_SEP2_XSD") or CACHED)
    if not path.is_file():
        pytest.skip(f"no official schema at {path}: set GRIDIFACE_SEP2_XSD or run `make test`")
    return etree.XMLSchema(etree.parse(path))


@pytest.fixture(scope="session")
def csip_aus_xsd() -> etree.XMLSchema:
    """The CSIP-AUS schema that redefines the official one, from the same folder."""
    path = Path(os.environ.get("GRIDIFACE_SEP2_XSD") or CACHED).with_name("csipaus-core.xsd")
    if not path.is_file():
        pytest.skip(f"no CSIP-AUS schema at {path}: set GRIDIFACE_SEP2_XSD or run `make test`")
    return etree.XMLSchema(etree.parse(path))
