from __future__ import annotations

import gc

from gridiface.app.collector import calm


def test_what_is_there_is_not_walked_again() -> None:
    before = gc.get_threshold()
    try:
        calm()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] == 100_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
