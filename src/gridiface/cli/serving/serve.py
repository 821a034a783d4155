"""`gridiface serve`: run the server until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gridiface.app.config import Config, load_config
from gridiface.app.process import log
from gridiface.app.wiring import GridServer
from gridiface.cli.collector import paused
from gridiface.cli.serving.notify import READY, RELOADING, STOPPING, tell
from gridiface.cli.serving.signals import Signals, ignore_early
from gridiface.cli.terminal.quiet import note
from gridiface.errors import ConfigError, StoreUnavailable

_log = logging.getLogger("gridiface")


def serve(
    config: Annotated[Path, typer.Argument(help="The configuration file (YAML).")],
    child: Annotated[
        bool,
        typer.Option(
            "--child", hidden=True, help="Print the ports as one JSON line and stop when standard input closes."
        ),
    ] = False,
) -> None:
    """Run the server until SIGINT or SIGTERM; running work is finished, then everything is closed.

    State is in the database: after a restart registrations, controls, responses and readings are there again, and
    running events go on. Exit code 0 after a stop that was asked for.

    Example: gridiface serve my-site/gridiface.yaml
    """
    # In a terminal a hang-up ends the server; as a service SIGHUP asks for the configuration to be read again.
    terminal = not child and sys.stderr.isatty()
    if not terminal:
        ignore_early()
    loaded = load_config(config, drivers=True)
    log.configure(loaded.logging.level, loaded.logging.format)
    asyncio.run(_run(loaded, config, child=child, terminal=terminal))


async def _run(config: Config, path: Path, *, child: bool, terminal: bool) -> None:
    signals = Signals(terminal=terminal)
    server = GridServer(config)
    rereading: asyncio.Task[None] | None = None
    try:
        with paused():
            await server.start()
        rereading = asyncio.create_task(signals.reread(lambda: _reload(server, path)), name="gridiface reload")
        told = f"serves {config.site}: {_describe(server)}"
        tell(READY, told)
        if child:
            # The link is a secret between us and whoever started us; it goes through the pipe and into no log.
            setup = {} if server.setup_link is None else {"setup": server.setup_link}
            typer.echo(json.dumps({**server.ports(), **setup}))
            sys.stdout.flush()
            await _stdin_closes(signals.stop)
        else:
            # Who reads the log may have gone, or its disk may be full: the server runs all the same.
            with contextlib.suppress(OSError):
                note(f"gridiface {told}; Ctrl-C stops it")
                if server.setup_link is not None:
                    typer.echo("nobody can sign in as an admin yet; choose a password, within a day, at:", err=True)
                    typer.echo(server.setup_link, err=True)
        await signals.stop.wait()
        _log.info("stopping")
    finally:
        tell(STOPPING)
        if rereading is not None:
            rereading.cancel()
        await server.stop()


async def _reload(server: GridServer, path: Path) -> None:
    """Read the configuration again; one with a mistake changes nothing."""
    tell(RELOADING)
    try:
        # A large file takes long to read and check: devices and clients go on meanwhile.
        found = await server.reload(await asyncio.to_thread(load_config, path, drivers=True))
    except (ConfigError, StoreUnavailable) as mistake:
        _log.error("the configuration was not taken over, nothing was changed: %s", mistake)
        return
    finally:
        tell(READY)
    log.configure(found.config.logging.level, found.config.logging.format)
    _log.info("configuration read again: changed %s", ", ".join(found.live) or "nothing")
    if found.restart:
        _log.warning("these changes wait for a restart: %s", ", ".join(found.restart))


def _describe(server: GridServer) -> str:
    parts = {"sep2": "IEEE 2030.5 on port {}", "operator": "operator's page on port {}"}
    known = [parts[name].format(port) for name, port in server.ports().items() if name in parts]
    return ", ".join(known) or "no listener is configured"


async def _stdin_closes(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends: whoever started us is gone."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            if os.read(sys.stdin.fileno(), 4096):
                return
        loop.remove_reader(sys.stdin)
        stop.set()

    loop.add_reader(sys.stdin, readable)
