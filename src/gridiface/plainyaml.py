"""The one reader of YAML: of configurations, tables, definitions and imports. Gives plain data, or refuses.

Keys are the words that stand there, each once: `on` and `off` of a relay are no truth values. Of YAML 1.1's numbers
those that people never mean are left out: 12:30 is a text and no number to the base of 60, and a number that begins
with 0 is decimal. Editors and schemas read YAML 1.2, in which it is so (sections 10.3.2 and 1.4).

Not owned: what the data mean, and values: a plain `off` is false there, as YAML 1.1 has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import yaml

# libyaml reads a fleet of thousands in a fraction of the time; PyYAML's wheels hold it, a build from source may not.
if TYPE_CHECKING or not yaml.__with_libyaml__:
    from yaml import SafeLoader
else:
    from yaml import CSafeLoader as SafeLoader

_BOOL, _INT, _FLOAT, _TEXT = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "str"))
#: Mappings and lists inside each other; no key of ours is a tenth as deep.
_DEEPEST = 100
_TRUTH = frozenset({"true", "false"})
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)$")
_DECIMAL = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|\.(?:inf|Inf|INF))$"
    r"|\.(?:nan|NaN|NAN)$"
)


class PlainLoader(SafeLoader):
    """The safe loader with the rules of this file; raises yaml.YAMLError where they are broken."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; raises yaml.YAMLError for a key written twice, of which YAML silently keeps the last."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                mark = key.start_mark
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands twice", mark)
            seen.add(str(key.value))
            if key.tag == _BOOL and key.value.lower() not in _TRUTH:
                key.tag = _TEXT
        return super().construct_mapping(node, deep=deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """The number; raises ValueError for a mark of its base and nothing behind it."""
        digits = str(self.construct_scalar(node)).replace("_", "")
        return int(digits, 0 if digits.lstrip("+-")[:2] in {"0b", "0o", "0x"} else 10)


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in {_INT, _FLOAT}]
    for first, forms in SafeLoader.yaml_implicit_resolvers.items()
}
PlainLoader.add_implicit_resolver(_INT, _INTEGER, list("-+0123456789"))
PlainLoader.add_implicit_resolver(_FLOAT, _DECIMAL, list("-+.0123456789"))
PlainLoader.add_constructor(_INT, PlainLoader.construct_integer)


def line_of(root: yaml.Node | None, place: Iterable[int | str]) -> int:
    """The 1-based line on which the value at `place` (or the nearest thing above it) stands.

    Args:
        root: as read_nodes gives it.
        place: keys; in a list the place from 0, or the `name` of the entry that is meant.
    """
    node, line = root, 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = _entry(node, str(step))
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
            continue
        node = _item(node, step) if isinstance(node, yaml.SequenceNode) else None
        if node is None:
            break
        line = node.start_mark.line + 1
    return line


def scalar_at(root: yaml.Node | None, place: Iterable[int | str]) -> str | None:
    """What stands at `place` as it is written, without quotes; None where there is no single value."""
    node = root
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = _entry(node, str(step))
            node = None if found is None else found[1]
        else:
            node = _item(node, step) if isinstance(node, yaml.SequenceNode) else None
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _entry(node: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((name, value) for name, value in node.value if name.value == key), None)


def _item(node: yaml.SequenceNode, step: int | str) -> yaml.Node | None:
    items: list[yaml.Node] = node.value
    if isinstance(step, int):
        return items[step] if step < len(items) else None
    for item in items:
        found = _entry(item, "name") if isinstance(item, yaml.MappingNode) else None
        if found is not None and found[1].value == step:
            return item
    return None


def read_yaml(text: str) -> Any:
    """Plain data out of YAML.

    Raises:
        yaml.YAMLError: it is none, a key stands twice, a value is impossible, or it is nested too deeply.
    """
    return read_nodes(text)[1]


def read_nodes(text: str) -> tuple[yaml.Node | None, Any]:
    """The nodes, which know their lines, and the plain data made from them.

    Raises:
        yaml.YAMLError: as read_yaml.
    """
    loader = PlainLoader(text)
    try:
        _check_depth(text)
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    except (ValueError, TypeError, OverflowError, RecursionError) as problem:
        # What PyYAML lets through, such as impossible dates.
        raise yaml.constructor.ConstructorError(None, None, str(problem)) from problem
    finally:
        loader.dispose()


def _check_depth(text: str) -> None:
    """Events need no stack, nodes do: one frame of C per depth."""
    depth = 0
    for event in yaml.parse(text, Loader=PlainLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"nested deeper than {_DEEPEST}")
