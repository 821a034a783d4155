"""How mistakes in a configuration file are told: file, line, place, what is wrong, and the fix. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gridiface.app.config.model import Config
from gridiface.errors import ConfigError
from gridiface.plainyaml import line_of
from gridiface.wording import said

#: Mistakes that are told at once.
_MOST_TOLD = 50

Place = tuple[int | str, ...]

#: What to do about what the YAML parser says, by words of it.
_OF_YAML = {
    "tab character": "indent with spaces",
    "escape": "write a backslash twice, or put the text in single quotes",
    "another document": "keep one document: take out the line of ---",
    "constructor for the tag": "take the tag out, or put text that begins with ! in quotes",
    "unhashable": "write the key as plain text",
    "control characters": "take the character out; no editor shows it",
    "cannot start any token": "indent with spaces, and put text that begins with such a sign in quotes",
    "stands twice": "keep one of the two",
    "mapping values are not allowed": "put text with a colon in quotes, and indent keys of one block alike",
    "could not find expected ':'": "write `key: value`, with a blank behind the colon",
    "did not find expected key": "indent the keys of one block alike, and close quotes and brackets",
    "did not find expected '-' indicator": "indent the entries of one list alike",
    "did not find expected ',' or": "close the bracket, and put commas between what is in it",
    "undefined alias": "write `&name` where the value first stands",
    "quoted scalar": "close the quotes",
}

#: What is to be written where a value is of another type, by the beginning of pydantic's name of the fault.
_OF_TYPES = {
    "string_type": "write text, in quotes where it is a number or a word such as yes",
    "int_": "write a whole number without a unit",
    "float_": "write a number without a unit",
    "bool_": "write true or false",
    "model_type": "write its keys and values below it, or take it out",
    "dict_type": "write keys and values below it",
    "tuple_type": "write a list: [one, other]",
    "list_type": "write a list: [one, other]",
    "invalid_key": "write the key as text; in quotes where it is a number",
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """One mistake.

    Attributes:
        file: the configuration file.
        line: from 1; 0: no line can be named.
        at: the key, as devices[0].id; empty: the file as a whole.
        detail: what is wrong; the fix.
    """

    file: Path
    line: int
    at: str
    detail: str

    def __str__(self) -> str:
        return ": ".join(
            part for part in (f"{self.file}:{self.line}" if self.line else str(self.file), self.at, self.detail) if part
        )


def refused(mistakes: Iterable[Wrong]) -> ConfigError:
    """What is wrong, up to a limit: looking for the nearest known name costs time in a large fleet."""
    found = list(islice(mistakes, _MOST_TOLD + 1))
    told = found[:_MOST_TOLD]
    error = ConfigError("\n".join([*map(str, told), *(["and more mistakes"] if len(found) > len(told) else [])]))
    error.details = {"errors": [{**asdict(one), "file": str(one.file)} for one in told]}
    return error


def of_yaml(path: Path, problem: yaml.YAMLError, read: str) -> Wrong:
    """What the YAML parser found in the text that it read."""
    mark = getattr(problem, "problem_mark", None)
    line, text = mark.line + 1 if mark else 0, str(getattr(problem, "problem", None) or problem)
    if isinstance(problem, yaml.reader.ReaderError):  # it knows the sign, and where in octets or characters it stands
        sign = problem.character if isinstance(problem.character, str) else chr(problem.character)
        line, text = (
            read.partition(sign)[0].count("\n") + 1,
            f"no text may hold U+{ord(sign):04X}, one of the control characters",
        )
    said = f"{text} {getattr(problem, 'context', '')}"
    fix = next((fix for words, fix in _OF_YAML.items() if words in said), "look at this line and the one above")
    return Wrong(path, line, "", f"not valid YAML: {text}; {fix}")


def nearest(name: str, known: Collection[str]) -> str:
    """What somebody meant who wrote a name that nothing has."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known)[:12]) or 'none'}"


def dotted(place: Iterable[int | str]) -> str:
    """A place in the file as people write it: devices[0].id."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".") or "the file"


def telling(problem: ValidationError) -> list[ErrorDetails]:
    """What pydantic found, without lists that it calls too short because entries of theirs are wrong."""
    found = problem.errors(include_url=False)
    places = [one["loc"] for one in found]
    return [
        one
        for one in found
        if one["type"] != "too_short"
        or not any(len(at) > len(one["loc"]) and at[: len(one["loc"])] == one["loc"] for at in places)
    ]


def of_model(path: Path, root: yaml.Node | None, error: ErrorDetails) -> Wrong:
    """What pydantic found."""
    place = tuple(error["loc"])

    def wrong(text: str) -> Wrong:
        return Wrong(path, line_of(root, place), dotted(place), text)

    if error["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        close = difflib.get_close_matches(str(place[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known))}"
        return wrong(f"unknown key; {hint}")
    if error["type"] == "missing":
        return wrong(f"missing; add it{_described(place)}")
    text = said(error)
    fix = next((fix for kind, fix in _OF_TYPES.items() if error["type"].startswith(kind)), "")
    wanted = f"; {fix}{_described(place)}" if fix else ""
    return wrong(f"{text} (found {_shown(error['input'])}){wanted}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _field(model: type[BaseModel], name: str) -> tuple[Any, str]:
    field = model.model_fields.get(name)
    return (None, "") if field is None else (field.annotation, field.description or "")


def _blocks(annotation: object) -> list[type[BaseModel]]:
    """The model classes inside an annotation such as `tuple[X, ...]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [block for part in getattr(annotation, "__args__", ()) for block in _blocks(part)]


def _model_at(place: Place) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Config
    for step in place:
        if model is None:
            return None
        if isinstance(step, str):
            blocks = _blocks(_field(model, step)[0])
            model = blocks[0] if blocks else None
    return model


def _known_keys(place: Place) -> list[str]:
    model = _model_at(place)
    return [] if model is None else list(model.model_fields)


def _described(place: Place) -> str:
    model = _model_at(place[:-1])
    text = "" if model is None else _field(model, str(place[-1]))[1]
    return f": {text}" if text else ""
