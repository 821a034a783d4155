"""A PKI of each depth, made once per session; the time of all tests in this folder."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from gridiface.pki.certificate import Certificate, parse_certificate
from gridiface.pki.faults import FaultBench
from gridiface.pki.folder import TestPki


@pytest.fixture(scope="session")
def now() -> float:
    return float(int(time.time()))


@pytest.fixture(scope="session")
def pkis(now: float) -> Mapping[int, TestPki]:
    return {depth: TestPki.create(depth=depth, now=now) for depth in (2, 3, 4)}


@pytest.fixture(scope="session")
def pki(pkis: Mapping[int, TestPki]) -> TestPki:
    return pkis[4]


@pytest.fixture(scope="session")
def roots(pki: TestPki) -> list[Certificate]:
    return [parse_certificate(pki.root.der)]


@pytest.fixture(scope="session")
def bench(pki: TestPki, now: float) -> FaultBench:
    return FaultBench(pki, now=now)
