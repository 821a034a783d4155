"""opendnp3's outstation for the benchmarks, by way of its Python binding: a script of its own, for another Python.

Run as `PYTHON opendnp3_outstation.py PORT POINTS CORE` by a Python that has `dnp3-python`, whose wheels end at 3.10;
nothing of gridiface is imported there. So many analog inputs and one analog output; commands succeed in a callback.
It says "ready" once it listens, and ends with its standard input.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

_ADDRESS, _MASTER = 10, 1


def main(port: int, points: int, core: int) -> None:
    """Serve until standard input ends."""
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})
    asiodnp3, asiopal, opendnp3, openpal = (
        importlib.import_module(f"pydnp3.{name}") for name in ("asiodnp3", "asiopal", "opendnp3", "openpal")
    )
    kept: list[Any] = []  # what the library holds by raw pointers must outlive it
    silent = _made(openpal.ILogHandler, {"Log": _nothing})
    commands = _made(
        opendnp3.ICommandHandler,
        {"Start": _nothing, "End": _nothing, "Select": _succeeding(opendnp3), "Operate": _succeeding(opendnp3)},
    )
    indications = {"GetApplicationIIN": lambda _: opendnp3.ApplicationIIN()}
    application = _made(opendnp3.IOutstationApplication, indications)
    listener = asiodnp3.PrintingChannelListener().Create()
    sizes = opendnp3.DatabaseSizes(0, 0, points, 0, 0, 0, 1, 0)
    config = asiodnp3.OutstationStackConfig(sizes)
    config.outstation.eventBufferConfig = opendnp3.EventBufferConfig.AllTypes(100)
    config.outstation.params.allowUnsolicited = False
    config.link.LocalAddr, config.link.RemoteAddr = _ADDRESS, _MASTER
    manager = asiodnp3.DNP3Manager(1, silent)
    channel = manager.AddTCPServer("bench", 0, asiopal.ChannelRetry().Default(), "127.0.0.1", port, listener)
    outstation = channel.AddOutstation("bench", commands, application, config)
    kept += [silent, commands, application, listener, manager, channel, outstation]
    outstation.Enable()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # its threads hold Python objects: an orderly end may hang


def _made(base: Any, methods: dict[str, Any]) -> Any:
    """An object of a class of the library, with some methods overridden."""
    return type("Made", (base,), methods)()


def _nothing(*_: object) -> None:
    return None


def _succeeding(opendnp3: Any) -> Any:
    return lambda *_: opendnp3.CommandStatus.SUCCESS


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
