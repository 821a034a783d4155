"""Finds and checks register tables: a template's name, a file, or the table itself. Tells what is wrong, and where.

Not owned: what a table may hold (table).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from gridiface_southbound.modbus import table as tables
from gridiface_southbound.modbus.table import RegisterTable

#: No table of a real device comes near.
MAX_BYTES = 1_000_000


def template_names() -> tuple[str, ...]:
    """The tables that are included."""
    folder = resources.files("gridiface_southbound.modbus") / "templates"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_table(given: object) -> RegisterTable:
    """The table that is meant: a mapping is one, a text with .yaml or .yml is a file, another text a template.

    Raises:
        ValueError: there is none, or it is wrong; the text says where and what to do.
    """
    if isinstance(given, RegisterTable):
        return given
    if isinstance(given, Mapping):
        return _checked(dict(given), "")
    if not isinstance(given, str):
        raise ValueError("a register table is a template's name, the path of a .yaml file, or the table itself")  # noqa: TRY004 - pydantic reports ValueError
    if given.endswith((".yaml", ".yml")):
        return _checked(_parsed(_file(Path(given)), given), f"{given}: ")
    if given not in template_names():
        near = difflib.get_close_matches(given, template_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "a file's name ends in .yaml"
        raise ValueError(f"no template is called {given!r}; {hint} Templates: {', '.join(template_names())}")
    text = (resources.files("gridiface_southbound.modbus") / "templates" / f"{given}.yaml").read_text("utf-8")
    return _checked(_parsed(text, given), f"template {given}: ")


def _file(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; give the path of a register table") from error
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES} bytes: this is no register table")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start})") from error


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not YAML: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{name} holds no register table: it must begin with keys such as kind, address_base, points")  # noqa: TRY004 - pydantic reports ValueError
    return found


def _checked(data: dict[str, Any], place: str) -> RegisterTable:
    try:
        return RegisterTable.model_validate(data)
    except ValidationError as error:
        errors = error.errors()
        # A list whose entries are wrong is also told as empty: the entries are what must be put right.
        telling = [entry for entry in errors if entry["type"] != "too_short"] or errors
        lines = [_explain(entry, data) for entry in telling[:10]]
        raise ValueError(place + "; ".join(lines)) from None


#: Which model's keys stand under which key of the table.
_MODELS: dict[str, type[BaseModel]] = {
    "points": tables.Point,
    "write": tables.WriteRule,
    "before": tables.Step,
    "after": tables.Step,
    "release": tables.Step,
    "gaps": tables.Gap,
    "identity": tables.Identity,
    "heartbeat": tables.Heartbeat,
    "nameplate": tables.TableNameplate,
}


def _explain(entry: Any, data: Mapping[str, Any]) -> str:
    where = _place(entry["loc"], data)
    message = str(entry["msg"]).removeprefix("Value error, ")
    if entry["type"] != "extra_forbidden":
        return f"{where}: {message}" if where else message
    key = str(entry["loc"][-1])
    owners = [_MODELS[str(part)] for part in entry["loc"][:-1] if str(part) in _MODELS]
    known = list((owners[-1] if owners else RegisterTable).model_fields)
    near = difflib.get_close_matches(key, known, n=1)
    return f"{where}: unknown key; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}")


def _place(loc: tuple[Any, ...], data: Mapping[str, Any]) -> str:
    """The place in words: a point by its name where it has one, else by its number from 1."""
    words: list[str] = []
    at: Any = data
    for part in loc:
        at = at[part] if isinstance(at, Mapping | list) and _has(at, part) else None
        if isinstance(part, int):
            name = at.get("name") if isinstance(at, Mapping) else None
            words.append(f"{part + 1}" if name is None else f"{part + 1} ({name})")
        else:
            words.append(str(part))
    return ".".join(words)


def _has(container: Any, part: Any) -> bool:
    if isinstance(container, list):
        return isinstance(part, int) and part < len(container)
    return part in container
