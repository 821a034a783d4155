"""What an answer must be: status, headers, and what stands at places of its XML body. Each miss is a sentence.

A place is a path of element names without namespaces, such as `EndDeviceListLink/@all` or `eiResponse/responseCode`;
`.` is the root. A leading `//` looks at any depth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lxml import etree

from gridiface.conformance.http_wire import Answer
from gridiface.conformance.runner import Failed
from gridiface.errors import ConfigError

Validate = Callable[[etree._Element], str]


def parsed(body: bytes) -> etree._Element:
    """The document of a body.

    Raises:
        Failed: it is not well-formed, or has a DOCTYPE.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_blank_text=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as problem:
        raise Failed(f"the body is no XML: {problem}") from problem
    if b"<!DOCTYPE" in body:
        raise Failed("the body has a DOCTYPE")
    return root


def at(root: etree._Element, path: str) -> list[str]:
    """The texts at a place, in the order of the document."""
    path, _, attribute = path.partition("@")
    path = path.rstrip("/")
    if path in {"", "."}:
        found = [root]
    else:
        deep, names = path.startswith("//"), path.lstrip("/").split("/")
        pattern = "/".join(f"{{*}}{name}" for name in names)
        found = list(root.iterfind(f".//{pattern}" if deep else pattern))
    if attribute:
        return [element.get(attribute, "") for element in found if element.get(attribute) is not None]
    return [(element.text or "").strip() for element in found]


def schema_validator(path: Path) -> Validate:
    """Says what is wrong with a document by the schema in a file, "" where nothing is.

    Raises:
        ConfigError: the file is no schema.
    """
    try:
        schema = etree.XMLSchema(etree.parse(str(path)))
    except (OSError, etree.XMLSyntaxError, etree.XMLSchemaParseError) as problem:
        raise ConfigError(f"{path}: no XML schema: {problem}") from problem

    def validate(root: etree._Element) -> str:
        return "" if schema.validate(root) else str(schema.error_log).splitlines()[0]

    return validate


def check(answer: Answer, wanted: Mapping[str, Any], validate: Validate | None = None) -> None:
    """Hold an answer against what is expected of it.

    Raises:
        Failed: the first thing that does not hold, in words.
        KeyError: an expectation is not known, which is a mistake of the procedure.
    """
    for name, value in wanted.items():
        if name in _OF_ANSWER:
            _OF_ANSWER[name](answer, value)
    rest = {name: value for name, value in wanted.items() if name not in _OF_ANSWER}
    if not rest:
        return
    root = parsed(answer.body)
    for name, value in rest.items():
        if name == "valid":
            problem = validate(root) if validate is not None and value else ""
            if problem:
                raise Failed(f"the body is not valid by the schema: {problem}")
        else:
            _OF_BODY[name](root, value)


def _status(answer: Answer, wanted: Any) -> None:
    allowed = wanted if isinstance(wanted, list) else [wanted]
    if answer.status not in allowed:
        said = f": {answer.body[:300].decode(errors='replace')}" if answer.status >= 400 and answer.body else ""
        raise Failed(f"status {answer.status} instead of {' or '.join(map(str, allowed))}{said}")


def _headers(answer: Answer, wanted: Mapping[str, str | None]) -> None:
    for name, value in wanted.items():
        found = answer.headers.get(name.lower())
        if found is None:
            raise Failed(f"there is no header {name}")
        if value is not None and found.split(";")[0].strip() != value:
            raise Failed(f"{name} is {found!r} instead of {value!r}")


def _allow(answer: Answer, wanted: list[str]) -> None:
    found = {name.strip() for name in answer.headers.get("allow", "").split(",") if name.strip()}
    if found != set(wanted):
        raise Failed(f"Allow names {', '.join(sorted(found)) or 'nothing'} instead of {', '.join(sorted(wanted))}")


def _length(answer: Answer, wanted: bool) -> None:
    if wanted and answer.headers.get("content-length") != str(len(answer.body)):
        raise Failed(f"Content-Length is {answer.headers.get('content-length')} for {len(answer.body)} octets")


def _empty(answer: Answer, wanted: bool) -> None:
    if bool(answer.body) is wanted:
        raise Failed(f"the body has {len(answer.body)} octets")


def _root(root: etree._Element, wanted: str | list[str]) -> None:
    name = etree.QName(root).localname
    if name not in (wanted if isinstance(wanted, list) else [wanted]):
        raise Failed(f"the body is {name} instead of {wanted}")


def _values(root: etree._Element, wanted: Mapping[str, Any]) -> None:
    for path, value in wanted.items():
        found = at(root, path)
        allowed = [str(item) for item in value] if isinstance(value, list) else [str(value)]
        if not found:
            raise Failed(f"there is no {path}")
        if found[0].upper() not in [item.upper() for item in allowed]:
            raise Failed(f"{path} is {found[0]!r} instead of {' or '.join(allowed)}")


def _count(root: etree._Element, wanted: Mapping[str, int]) -> None:
    for path, number in wanted.items():
        found = len(at(root, path))
        if found != number:
            raise Failed(f"there are {found} of {path} instead of {number}")


def _at_least(root: etree._Element, wanted: Mapping[str, int]) -> None:
    for path, number in wanted.items():
        found = at(root, path)
        amount = int(found[0]) if "@" in path and found and found[0].isdigit() else len(found)
        if amount < number:
            raise Failed(f"{path} is {amount}, at least {number} is expected")


def _has(root: etree._Element, wanted: list[str]) -> None:
    for path in wanted:
        if not at(root, path):
            raise Failed(f"there is no {path}")


def _lacks(root: etree._Element, wanted: list[str]) -> None:
    for path in wanted:
        if at(root, path):
            raise Failed(f"there is a {path}")


def _order(root: etree._Element, wanted: Mapping[str, str]) -> None:
    for path, direction in wanted.items():
        found = at(root, path)
        # Numbers by their value, other texts by their letters.
        keys = [(int(item), "") if item.lstrip("-").isdigit() else (0, item) for item in found]
        ordered = sorted(keys, reverse=direction == "descending")
        if keys != ordered:
            raise Failed(f"{path} is not {direction}: {', '.join(found[:10])}")


_OF_ANSWER: Mapping[str, Callable[[Answer, Any], None]] = {
    "status": _status,
    "headers": _headers,
    "allow": _allow,
    "length": _length,
    "empty": _empty,
}
_OF_BODY: Mapping[str, Callable[[etree._Element, Any], None]] = {
    "root": _root,
    "values": _values,
    "count": _count,
    "at_least": _at_least,
    "has": _has,
    "lacks": _lacks,
    "order": _order,
}

#: Every expectation, for the check of the procedures themselves.
NAMES = frozenset({*_OF_ANSWER, *_OF_BODY, "valid"})
