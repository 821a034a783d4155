"""The configuration described from its own models: the reference page and the JSON Schema for editors. Pure."""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gridiface.app.config.model import Config

_HEAD = """# Configuration reference
One YAML file; `gridiface init` writes a commented one, `gridiface check FILE` names file, line and fix of every
mistake, and `schemas/config/gridiface.schema.json` gives editors completion. Unknown keys are errors. Paths are
relative to the folder of the file. Powers are in W, + delivered to the grid. This page is made from the code
(`make reference`).

| key | type | default | meaning |
|---|---|---|---|
"""


def json_schema() -> str:
    """The JSON Schema of the configuration file, as text."""
    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "gridiface configuration"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def entries(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key with its dotted name; members of a list carry `[]`."""
    for name, field in model.model_fields.items():
        dotted = f"{prefix}{name}"
        yield dotted, field
        for block, is_list in _blocks(field.annotation):
            yield from entries(block, f"{dotted}{'[]' if is_list else ''}.")


def page() -> str:
    """The reference page, Markdown."""
    rows = [f"| `{name}` | {_type(field)} | {_default(field)} | {meaning(field)} |" for name, field in entries()]
    return _HEAD + "\n".join(rows) + "\n"


def _blocks(annotation: Any) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
    for part in get_args(annotation):
        for block, _ in _blocks(part):
            yield block, get_origin(annotation) is tuple


def _type(field: FieldInfo) -> str:
    text = _name(field.annotation)
    limits = []
    for rule in field.metadata:
        match rule:
            case Ge(ge=value):
                limits.append(f">= {value}")
            case Gt(gt=value):
                limits.append(f"> {value}")
            case Le(le=value):
                limits.append(f"<= {value}")
            case Lt(lt=value):
                limits.append(f"< {value}")
            case MinLen(min_length=value):
                limits.append(f"at least {value}")
            case _:
                pass
    return f"{text}, {', '.join(limits)}" if limits else text


_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false"}


def _name(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _name(get_args(annotation)[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin in {Union, types.UnionType}:
        return " or ".join(_name(part) for part in get_args(annotation) if part is not type(None))
    if origin is tuple:
        return f"list of {_name(get_args(annotation)[0])}"
    if origin is dict:
        return "keys and values"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "one of " + ", ".join(f"`{member.value}`" for member in annotation if member.value)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == () or isinstance(value, BaseModel) or field.default_factory is not None:
        return "none" if value is None else ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    shown = value.value if isinstance(value, enum.Enum) else value
    return f"`{shown}`" if shown != "" else "empty"


def meaning(field: FieldInfo) -> str:
    """What a key means: its description, or the first line of the block behind it."""
    if field.description:
        return field.description
    doc = [block.__doc__ or "" for block, _ in _blocks(field.annotation)]
    return doc[0].splitlines()[0] if doc else ""
