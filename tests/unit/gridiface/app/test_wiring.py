"""A whole server, started and stopped; what a failed start leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.app.config.load import parse_config
from gridiface.app.wiring import GridServer
from gridiface.errors import ConfigError
from gridiface.store.repository import Store

MINIMAL = """\
site: small
operator: {listen: "127.0.0.1:0"}
devices:
  - {id: inv, driver: sunspec, connection: {host: 127.0.0.1, port: 1}, rating: {max_w: 1000}}
groups:
  - {id: fleet, members: [inv]}
"""


def server(folder: Path, text: str = MINIMAL) -> GridServer:
    return GridServer(parse_config(text, folder / "g.yaml"))


async def test_server_starts_without_2030_5_and_stops_twice(tmp_path: Path) -> None:
    made = server(tmp_path)
    await made.start()
    assert set(made.ports()) == {"operator"}
    assert made.engine.device("inv") is not None
    await made.stop()
    await made.stop()


async def test_stop_without_start_does_nothing(tmp_path: Path) -> None:
    await server(tmp_path).stop()


async def test_failed_start_lets_go_of_the_database(tmp_path: Path) -> None:
    made = server(tmp_path, MINIMAL.replace("driver: sunspec", "driver: nonesuch"))
    with pytest.raises(ConfigError, match="nonesuch"):
        await made.start()
    await made.stop()
    store = await Store.open(f"sqlite:///{tmp_path}/gridiface.sqlite")
    await store.close()


async def test_second_server_on_the_same_database_is_refused(tmp_path: Path) -> None:
    first, second = server(tmp_path), server(tmp_path)
    await first.start()
    try:
        with pytest.raises(Exception, match=r"another process|in use"):
            await second.start()
    finally:
        await second.stop()
        await first.stop()
