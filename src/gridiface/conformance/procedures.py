"""Procedures: what is done on the wire and what must come back, as data. Reads and checks the files; runs nothing.

A file is a YAML list; each entry has `id`, `title`, `cites` (where the rule stands), optionally `needs` (options that
the person who runs it must give) and `steps`, a list of one-key mappings: the action and its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gridiface.datafiles import data_folder
from gridiface.errors import ConfigError
from gridiface.plainyaml import read_yaml

PROTOCOLS = ("sep2", "openadr", "dnp3")
_KEYS = {"id", "title", "cites", "needs", "steps"}


@dataclass(frozen=True, slots=True)
class Step:
    """One action with its arguments."""

    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """One procedure. `needs` names options without which it cannot be run."""

    id: str
    title: str
    cites: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()


def load_procedures(protocol: str, folder: Path | None = None) -> tuple[Procedure, ...]:
    """The procedures of a protocol, in the order of files and of their entries.

    Args:
        protocol: one of PROTOCOLS.
        folder: where the files are; None: those that gridiface brings.

    Raises:
        ConfigError: no such protocol, or a file does not have the form that this module describes.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"no protocol is called {protocol!r}; there are {', '.join(PROTOCOLS)}")
    place = folder or data_folder("conformance") / protocol
    files = sorted(place.glob("*.yaml"))
    if not files:
        raise ConfigError(f"{place}: holds no procedures (*.yaml)")
    found = [procedure for file in files for procedure in _read(file)]
    seen: set[str] = set()
    for procedure in found:
        if procedure.id in seen:
            raise ConfigError(f"{place}: {procedure.id} is there twice")
        seen.add(procedure.id)
    return tuple(found)


def select(procedures: Iterable[Procedure], only: Iterable[str]) -> tuple[Procedure, ...]:
    """Those whose id is or begins with one of `only`; all of them where `only` is empty.

    Raises:
        ConfigError: one of `only` fits none.
    """
    procedures, wanted = tuple(procedures), tuple(only)
    for name in wanted:
        if not any(procedure.id.startswith(name) for procedure in procedures):
            raise ConfigError(f"no procedure's id begins with {name!r}; `gridiface conform list` shows them")
    if not wanted:
        return procedures
    return tuple(procedure for procedure in procedures if procedure.id.startswith(wanted))


def _read(file: Path) -> list[Procedure]:
    try:
        entries = read_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise ConfigError(f"{file}: cannot be read: {problem}") from problem
    if not isinstance(entries, list):
        raise ConfigError(f"{file}: is not a list of procedures")
    return [_procedure(file, entry) for entry in entries]


def _procedure(file: Path, entry: Any) -> Procedure:
    if not isinstance(entry, dict) or not {"id", "title", "cites", "steps"} <= entry.keys() <= _KEYS:
        named = entry.get("id", "an entry") if isinstance(entry, dict) else "an entry"
        raise ConfigError(f"{file}: {named}: id, title, cites and steps are needed, and only `needs` may be there too")
    steps = entry["steps"]
    if not isinstance(steps, list) or not steps or not all(isinstance(s, dict) and len(s) == 1 for s in steps):
        raise ConfigError(f"{file}: {entry['id']}: steps are a list of one-key mappings, at least one")
    return Procedure(
        id=str(entry["id"]),
        title=str(entry["title"]),
        cites=str(entry["cites"]),
        steps=tuple(Step(str(name), dict(value or {})) for step in steps for name, value in step.items()),
        needs=tuple(str(need) for need in entry.get("needs", ())),
    )
