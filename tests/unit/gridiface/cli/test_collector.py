from __future__ import annotations

import gc

import pytest

from gridiface.cli.collector import paused


def test_it_is_paused_and_goes_on_also_after_a_failure() -> None:
    assert gc.isenabled()
    seen = []

    def failing() -> None:
        with paused():
            seen.append(gc.isenabled())
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        failing()
    assert seen == [False]
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    try:
        with paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
