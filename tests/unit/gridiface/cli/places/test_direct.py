"""When a verb works on the store itself, and who it is then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gridiface.cli.places.direct import is_direct, me, on_store
from gridiface.errors import StoreUnavailable


def test_the_store_is_used_where_a_configuration_is_named_and_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRIDIFACE_TOKEN", raising=False)
    assert is_direct(tmp_path, None)
    assert not is_direct(None, None)
    monkeypatch.setenv("GRIDIFACE_TOKEN", "x")
    assert not is_direct(tmp_path, None)
    assert me() == f"command line, uid {os.getuid()}"


def test_a_store_that_a_server_has_open_says_so(tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text("site: small\n")

    async def nested(_: object, now: float) -> float:
        return now

    assert on_store(config, nested) > 0

    async def busy(_: object, now: float) -> str:
        import asyncio  # noqa: PLC0415 - only this test needs it

        with pytest.raises(
            StoreUnavailable, match=r"^[^;]* \(pid \d+\); stop the server, or give an admin's token .*: the page"
        ):
            await asyncio.to_thread(on_store, config, nested)
        return "seen"

    assert on_store(config, busy) == "seen"
