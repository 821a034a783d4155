"""What a service manager is told: datagrams of sd_notify(3), and nothing where nobody listens."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridiface.cli.serving.notify import READY, RELOADING, tell


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(str(tmp_path / "n"))
        wire.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        yield wire


def test_that_it_is_ready_and_what_it_does_in_one_line(manager: socket.socket) -> None:
    tell(READY, "serves a\nsite")
    assert manager.recv(4096) == b"READY=1\nSTATUS=serves a site"


def test_a_reload_carries_the_time_at_which_it_began(manager: socket.socket) -> None:
    tell(RELOADING)
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"gridiface-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind("\0" + name)
        wire.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        tell(READY)
        assert wire.recv(4096) == b"READY=1"


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all", "@nobody-listens-here"])
def test_nobody_listens(name: str, monkeypatch: pytest.MonkeyPatch, manager: socket.socket) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    tell(READY)
    with pytest.raises(BlockingIOError):
        manager.recv(4096)
