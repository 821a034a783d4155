"""Finds and checks tables of points: a template's name, a file, or the table itself. Tells what is wrong, and where.

Not owned: what a table may hold (table, and each carrier's own).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from gridiface.drivers.api import KeyProblems, Place
from gridiface.plainyaml import line_of, read_nodes
from gridiface.wording import said
from gridiface_southbound.points.table import Table

#: No table of a real device comes near.
MAX_BYTES = 1_000_000

#: Mistakes that are told at once.
_MOST_TOLD = 10

T = TypeVar("T", bound=Table[Any])


class Loader(Generic[T]):
    """Finds the tables of one carrier.

    Args:
        model: its table.
        package: where its templates lie, in a folder `templates`.
        noun: what it is called.
        begins: the keys that every table has, for those who give something else.
    """

    def __init__(self, model: type[T], package: str, noun: str, begins: str) -> None:
        self._model = model
        self._package = package
        self._noun = noun
        self._begins = begins

    def template_names(self) -> tuple[str, ...]:
        """The tables that are included."""
        names = (entry.name for entry in (resources.files(self._package) / "templates").iterdir())
        return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))

    def load(self, given: object, placed: Callable[[Path], Path] = Path) -> T:
        """The table that is meant: a mapping is one, a text with .yaml or .yml is a file, another text a template.

        Args:
            given: what stands in the device's keys.
            placed: says where a file lies that is named by a relative path (`gridiface.drivers.api.placed`).

        Raises:
            ValueError: there is none, or it is wrong; the text says where and what to do.
        """
        if isinstance(given, self._model):
            return given
        if isinstance(given, Mapping):
            return self._checked(dict(given))
        if not isinstance(given, str):
            raise ValueError(f"a {self._noun} is a template's name, the path of a .yaml file, or the table itself")  # noqa: TRY004 - pydantic reports ValueError
        if given.endswith((".yaml", ".yml")):
            return self._checked(*self._parsed(self._file(placed(Path(given))), given))
        templates = self.template_names()
        if given not in templates:
            near = difflib.get_close_matches(given, templates, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "a file's name ends in .yaml"
            raise ValueError(f"no template is called {given!r}; {hint} Templates: {', '.join(templates)}")
        text = (resources.files(self._package) / "templates" / f"{given}.yaml").read_text("utf-8")
        return self._checked(*self._parsed(text, f"template {given}"))

    def _file(self, path: Path) -> str:
        try:
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            text = f"{path.absolute()} cannot be read: {error.strerror}; give the file of the {self._noun}"
            raise ValueError(text) from error
        if len(data) > MAX_BYTES:
            raise ValueError(f"{path} is larger than {MAX_BYTES} bytes: this is no {self._noun}")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 text (byte {error.start})") from error

    def _parsed(self, text: str, name: str) -> tuple[dict[str, Any], _Source]:
        try:
            root, found = read_nodes(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = name if mark is None else f"{name}:{mark.line + 1}"
            problem = str(getattr(error, "problem", None) or error)
            raise ValueError(f"{place} is not YAML: {' '.join(problem.split())[:300]}") from error
        if not isinstance(found, dict):
            raise ValueError(f"{name} holds no {self._noun}: it must begin with keys such as {self._begins}")  # noqa: TRY004 - pydantic reports ValueError
        return found, _Source(name, root)

    def _checked(self, data: dict[str, Any], source: _Source | None = None) -> T:
        try:
            return self._model.model_validate(data)
        except ValidationError as error:
            errors = error.errors()
            # A list whose entries are wrong is also told as empty: the entries are what must be put right.
            telling = [entry for entry in errors if entry["type"] != "too_short"] or errors
            told = [found for entry in telling for found in self._explained(entry, data)][:_MOST_TOLD]
            raise KeyProblems(((), source.at(*one)) if source else one for one in told) from None

    def _explained(self, entry: Any, data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
        """What one finding of pydantic says, each with its place in the table."""
        loc: Place = tuple(entry["loc"])
        where = _place(loc, data)
        error = entry.get("ctx", {}).get("error")
        if isinstance(error, KeyProblems):
            for place, text in error.found:
                yield (*loc, *place), f"{where}: {text}" if where else text
        elif entry["type"] == "extra_forbidden":
            known = list(_owner(self._model, loc[:-1]).model_fields)
            near = difflib.get_close_matches(str(loc[-1]), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            yield loc, f"{where}: unknown key; {hint}"
        else:
            message = said(entry)
            yield loc, f"{where}: {message}" if where else message


class _Source:
    """The text that a table stands in, so that mistakes are told with their line."""

    def __init__(self, name: str, root: yaml.Node | None) -> None:
        self._name = name
        self._root = root

    def at(self, place: Place, text: str) -> str:
        """What is wrong, with the file and the line."""
        return f"{self._name}:{line_of(self._root, place)}: {text}"


def _owner(model: type[BaseModel], loc: tuple[Any, ...]) -> type[BaseModel]:
    """The model that a place inside `model` belongs to."""
    for part in loc:
        field = model.model_fields.get(str(part))
        inner = None if field is None else _inner(field.annotation)
        model = inner or model
    return model


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `tuple[Point, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _inner(part)) is not None), None)


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
