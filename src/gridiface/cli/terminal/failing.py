"""How the command line ends where what was asked cannot be done: an exit code, and why on standard error.

For people one line. With --json one JSON object, problem details as those of the REST API (RFC 9457) and `exit_code`;
docs/operator/diagnostics.md describes it. Nothing that is expected ends in a traceback.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import typer

from gridiface.errors import ConfigError, GridifaceError, StoreUnavailable

#: A file or device takes no more.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

#: What an exit code stands for; `title` of a problem.
TITLES = {1: "not done", 2: "wrong usage or configuration", 3: "server or store not reached"}


def run(app: Callable[..., Any]) -> None:
    """Run the command line to its end.

    Raises:
        SystemExit: always, with the exit code.
    """
    as_json = "--json" in sys.argv[1:]
    try:
        code = app(standalone_mode=not as_json)
    except GridifaceError as problem:
        _end(str(problem), code_of(problem), as_json, problem.details)
    except BrokenPipeError:
        _write_no_more()
        raise SystemExit(0) from None
    except SystemExit as ending:
        # Whoever read has enough (`| head`), which typer and rich take for a failure.
        if isinstance(ending.__context__, BrokenPipeError):
            raise SystemExit(0) from None
        raise
    except OSError as problem:
        _end_of_file(problem, as_json)
    except typer.Abort:
        _end("stopped before its end", 1, as_json, {})
    except Exception as problem:
        # Wrong words on the command line. The class of these is another in each line of typer's versions.
        if not as_json or not hasattr(problem, "format_message"):
            raise
        exit_code = int(getattr(problem, "exit_code", 2))
        _end(problem.format_message(), exit_code, as_json, {"fix": "--help lists what there is"})
    raise SystemExit(code if isinstance(code, int) else 0)


def _end_of_file(problem: OSError, as_json: bool) -> None:
    """Where a file, or standard output, cannot be read or written; anything else is raised again."""
    if problem.filename is not None:
        usual = "look at its rights, and at the room on its disk"
        fix = "name a file that is there" if isinstance(problem, FileNotFoundError) else usual
        _end(f"{os.fsdecode(problem.filename)}: {problem.strerror}; {fix}", 2, as_json, {"fix": fix})
    if problem.errno not in _FULL:
        raise problem
    _write_no_more()
    fix = "make room, or let it be written elsewhere"
    _end(f"what was asked for cannot be written: {problem.strerror}; {fix}", 1, as_json, {"fix": fix})


def _write_no_more() -> None:
    """What still waits for a standard output that takes nothing is dropped, and is no second mistake at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def code_of(problem: GridifaceError) -> int:
    """The exit code of an error that is expected."""
    if isinstance(problem, ConfigError):
        return 2
    return 3 if isinstance(problem, StoreUnavailable) else 1


def _end(text: str, code: int, as_json: bool, details: Mapping[str, Any]) -> None:
    if as_json:
        own = {"type": "about:blank", "title": TITLES.get(code, TITLES[1]), "detail": text}
        typer.echo(json.dumps({**own, **details, "exit_code": code}), err=True)
    else:
        typer.echo(f"gridiface: {text}", err=True)
    raise SystemExit(code)
