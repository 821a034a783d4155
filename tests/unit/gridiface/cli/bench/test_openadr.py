"""The OpenADR benchmarks do the work they name, at sizes that take little time."""

from __future__ import annotations

from pathlib import Path

from gridiface.cli.bench import openadr


async def test_an_event_reaches_every_ven_and_is_acknowledged(tmp_path: Path) -> None:
    took, cpu = await openadr._event("ours", tmp_path / "x", 5, 2)
    assert took > 0
    assert cpu > 0


async def test_signed_polls_are_answered(tmp_path: Path) -> None:
    rate, cpu_us = await openadr._polls("ours", tmp_path / "x", openadr._Pki(tmp_path), 0.2, 2)
    assert rate > 0
    # No more processor time than there was: one core, for as long as a poll took.
    assert 0 < cpu_us <= 2e6 / rate
