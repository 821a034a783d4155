"""A foreign document with its lines, and what was found in it: notes, warnings, errors, each with file, place and fix.

Owns safe reading of YAML and JSON (caps, no aliases, no key twice) and typed access by place. Knows no form: vpp_grid
and battery_model do. A finding shows numbers and key names, never the text of a value: it may be a secret.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from gridiface.errors import ConfigError
from gridiface.plainyaml import PlainLoader, line_of, read_yaml, scalar_at

MOST_BYTES = 4 * 1024 * 1024
MOST_NODES = 200_000
_DEEPEST = 32

Place = tuple[int | str, ...]

#: What the hint at a key begins with that is almost one of the form's.
_MEANT = "did you mean"
#: What Python's reader takes and JSON does not have.
_NO_NUMBER = re.compile(r"(?<=[\s:\[,])-?(NaN|Infinity)(?=[\s,}\]])")
#: What people write into JSON, which has none.
_COMMENT = re.compile(r"^\s*(//|/\*|#)", re.MULTILINE)
#: Values that are no number and no text, for people.
_KINDS = {
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "a block of keys",
    date: "a date",
    datetime: "a time",
}
#: So many of the last findings are compared before the same is said twice.
_LOOKED_AT = 20


class Severity(StrEnum):
    """How much a finding matters."""

    NOTE = "note"  # has no place in our configuration, or was taken over under another name
    WARNING = "warning"  # probably a mistake; what was made of it is said
    ERROR = "error"  # nothing can be made of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found. `line` counts from 1; `fix` says what to do."""

    severity: Severity
    path: str
    line: int
    place: str
    text: str
    fix: str

    @property
    def meant(self) -> str:
        """The place of the key that was meant, as far as one is guessed; else empty."""
        if not self.fix.startswith(_MEANT):
            return ""
        above, dot, _ = self.place.rpartition(".")
        return above + dot + self.fix.removeprefix(_MEANT).strip(" ?'")

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.place}: {self.text}; {self.fix}"


class Document:
    """A document that was read, with the findings so far.

    Args:
        path: for messages.
        text: YAML or JSON.
        form: "yaml" or "json".

    Raises:
        ConfigError: not readable as that form, too large, too deep, with aliases or with a key twice.
    """

    def __init__(self, path: Path, text: str, form: str) -> None:
        self.path, self.form = path, form
        self.findings: list[Finding] = []
        if len(text) > MOST_BYTES:
            raise ConfigError(f"{path}: larger than {MOST_BYTES} characters; split it by site")
        try:
            # JSON allows tabs between tokens, YAML does not; for the lines they are the same as spaces.
            self._root = _composed(path, text.replace("\t", " ") if form == "json" else text)
            self.data: Any = _json(text) if form == "json" else read_yaml(text)
        except yaml.YAMLError as problem:
            mark = getattr(problem, "problem_mark", None)
            # The parser in C sees the end of a text without a last newline on a line of its own.
            where = f"{path}:{min(mark.line, text.count(chr(10))) + 1}" if mark else str(path)
            reason = getattr(problem, "problem", None) or "not readable"
            if form == "json" and _COMMENT.search(text):
                reason = "JSON has no comments (//, /* or #): take them out; else " + reason
            raise ConfigError(f"{where}: not valid {form.upper()}: {reason}; correct it there") from problem
        except json.JSONDecodeError as problem:
            where = f"{path}:{problem.lineno}"
            raise ConfigError(
                f"{where}: not valid JSON: {problem.msg}, column {problem.colno}; correct it"
            ) from problem
        except (ValueError, TypeError, OverflowError, RecursionError) as problem:
            word = _NO_NUMBER.search(text) if form == "json" else None
            where = f"{path}:{text.count(chr(10), 0, word.start()) + 1}" if word else str(path)
            raise ConfigError(f"{where}: not valid {form.upper()}: {str(problem)[:120]}; correct it") from problem

    def get(self, place: Place) -> Any:
        """The value at a place; None where there is none."""
        value = self.data
        for step in place:
            if isinstance(step, int):
                if not isinstance(value, list) or step >= len(value):
                    return None
            elif not isinstance(value, Mapping) or step not in value:
                return None
            value = value[step]
        return value

    def note(self, place: Place, text: str, fix: str) -> None:
        """Record something that was left out or renamed."""
        self._add(Severity.NOTE, place, text, fix)

    def warn(self, place: Place, text: str, fix: str) -> None:
        """Record a probable mistake."""
        self._add(Severity.WARNING, place, text, fix)

    def error(self, place: Place, text: str, fix: str) -> None:
        """Record that nothing can be made of a value; `raise_errors` ends the import."""
        self._add(Severity.ERROR, place, text, fix)

    def raise_errors(self) -> None:
        """End here if there was an error.

        Raises:
            ConfigError: every error, one a line, and the keys that are almost one of which an error is told.
        """
        errors = {finding.place for finding in self.findings if finding.severity is Severity.ERROR}
        if errors:
            told = (one for one in self.findings if one.severity is Severity.ERROR or one.meant in errors)
            raise ConfigError("\n".join(map(str, told)))

    def root(self, key: str, beside: Sequence[str] = ()) -> Place:
        """Where the form's content begins: below `key`, or at the top where the file leaves that key out.

        `beside`: what may stand beside `key`.

        Raises:
            ConfigError: there are no keys and values there.
        """
        base: Place = (key,) if isinstance(self.data, Mapping) and key in self.data else ()
        if base:
            self.unknown_keys((), (key, *beside))
        self.mapping(base, required=True)
        self.raise_errors()
        return base

    def mapping(self, place: Place, *, required: bool = False) -> Mapping[str, Any]:
        """The keys and values at a place; empty, with an error, where something else stands there."""
        value = self.get(place)
        if isinstance(value, Mapping):
            return value
        if value is not None or required:
            fix = "write it as an indented block" if self.form == "yaml" else 'write one object, {"key": value, ...}'
            self.error(place, "must hold keys and values", fix)
        return {}

    def items(self, place: Place) -> Sequence[Any]:
        """The list at a place; empty, with an error, where something else stands there."""
        value = self.get(place)
        if isinstance(value, list):
            return value
        if value is not None:
            self.error(place, "must be a list", "write one entry per element")
        return []

    def number(self, place: Place, *, low: float = -1e9, high: float = 1e9, unit: str = "") -> float | None:
        """The number at a place; None where there is none, and with an error where it is no number in range."""
        value = self.get(place)
        if value is None:
            return None
        wanted = f"write a number from {low:g} to {high:g}" + (f" {unit}" if unit else "")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            what = "a text in quotes" if _is_number(value) else _KINDS.get(type(value), "something else")
            self.error(place, f"must be a number without a unit, and is {what}", wanted)
            return None
        if value != value:  # noqa: PLR0124 - NaN
            self.error(place, "NaN is no number", wanted)
            return None
        # Compared before it becomes a float: an integer may be larger than any float.
        if not low <= value <= high or not math.isfinite(value):
            self.error(place, f"{value:g} is out of range" if abs(value) < 1e18 else "is out of range", wanted)
            return None
        return float(value)

    def text(self, place: Place) -> str | None:
        """The text at a place, a number as text; None where there is none, and with an error for anything else."""
        value = self.get(place)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            what = _KINDS.get(type(value), "something else")
            self.error(place, f"must be a text, and is {what}", "write it in quotes, on one line")
            return None
        if len(str(value)) > 500:
            self.error(place, f"has {len(str(value))} characters", "write at most 500")
            return None
        # A number as it is written: "0123" is an id, and not 123.
        return (scalar_at(self._root, place) or str(value) if isinstance(value, int) else str(value)).strip()

    def line(self, place: Place) -> str | None:
        """The same as one line: signs that cannot be seen become spaces, with a warning."""
        value = self.text(place)
        if value is None or value.isprintable():
            return value
        self.warn(place, "has control characters: they became spaces", "write one line of letters, digits and signs")
        return " ".join("".join(sign if sign.isprintable() else " " for sign in value).split())

    def unknown_keys(self, place: Place, known: Iterable[str], expected: Iterable[str] = ()) -> None:
        """Warn of every key at a place that the form does not have; `expected` are handled elsewhere."""
        names = list(known)
        for key in self.mapping(place):
            if key in names or key in expected:
                continue
            if str(key).isdigit() and self.get((*place, key)) is None:
                self.warn((*place, str(key)[:60]), "looks like what stands behind a decimal comma", "write a point")
                continue
            close = _close_to(str(key), names)
            fix = f"{_MEANT} {close[0]!r}?" if close else f"there are: {', '.join(names)}"
            self.warn((*place, str(key)[:60]), "unknown key, left out", fix)

    def _add(self, severity: Severity, place: Place, text: str, fix: str) -> None:
        line = line_of(self._root, place)
        dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
        printable = "".join(c if c.isprintable() else "?" for c in dotted) or "the file"
        finding = Finding(severity=severity, path=str(self.path), line=line, place=printable, text=text, fix=fix)
        if finding not in self.findings[-_LOOKED_AT:]:
            self.findings.append(finding)


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """The text of a file.

    Raises:
        ConfigError: it cannot be read, is larger than `most_bytes` or not UTF-8.
    """
    return decoded(path, read_bytes(path, most_bytes))


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """The content of a file.

    Raises:
        ConfigError: it cannot be read or is larger than `most_bytes`.
    """
    try:
        with path.open("rb") as file:
            # One more than allowed: a file that grows, or that is no regular file, cannot go round the cap.
            data = file.read(most_bytes + 1)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read: {problem.strerror}; look at its name and rights") from problem
    if len(data) > most_bytes:
        raise ConfigError(f"{path}: larger than {most_bytes} bytes; split it")
    return data


def decoded(path: Path, data: bytes) -> str:
    """UTF-8 text without its byte order mark.

    Raises:
        ConfigError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8; save it with that encoding") from problem


def _composed(path: Path, text: str) -> yaml.Node | None:
    """The node tree, after the events were counted: composing recurses, and aliases multiply."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=PlainLoader)):
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{path}:{line}: aliases (*name) are not taken; write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST or count > MOST_NODES:
            raise ConfigError(f"{path}:{line}: nested too deeply or too long; this is no such file")
    root = yaml.compose(text, Loader=PlainLoader)
    _refuse_twice(path, root)
    return root


def _refuse_twice(path: Path, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise ConfigError(f"{path}:{line}: the key {key.value[:60]!r} stands twice; keep one of both")
                seen.add(key.value)
            _refuse_twice(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_twice(path, value)


def _is_number(value: object) -> bool:
    """Whether a text is a number, but for its quotes."""
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _close_to(key: str, names: Sequence[str]) -> list[str]:
    """The key of the form that is most like one, whatever its capitals and with or without underscores; at most one."""
    plain = {name.replace("_", "").lower(): name for name in names}
    found = difflib.get_close_matches(key.replace("_", "").replace("-", "").lower(), list(plain), n=1, cutoff=0.75)
    return [plain[one] for one in found] or difflib.get_close_matches(key, names, n=1)


def _json(text: str) -> Any:
    def refuse(word: str) -> float:
        raise ValueError(f"{word} is no JSON number")

    return json.loads(text, parse_constant=refuse)
