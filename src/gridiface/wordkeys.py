"""Keys of YAML mappings are the words that stand there: `on` and `off` of a relay are no truth values.

Not owned: the loaders that use it (app.config.load, the drivers' tables), and values: a plain `off` is false there, as
YAML 1.1 has it.
"""

from __future__ import annotations

import yaml

_BOOL = "tag:yaml.org,2002:bool"
_TEXT = "tag:yaml.org,2002:str"
_TRUTH = frozenset({"true", "false"})


def keep_words(node: yaml.MappingNode) -> None:
    """Make texts of a mapping's keys that YAML 1.1 takes for truth values: on, off, yes and no, in any case.

    Editors and schemas read YAML 1.2, in which they are texts (section 10.3.2); `true` and `false` stay what they are.
    """
    for key, _ in node.value:
        if key.tag == _BOOL and key.value.lower() not in _TRUTH:
            key.tag = _TEXT


class WordLoader(yaml.SafeLoader):
    """The safe loader, with keys that are kept as words."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        """The mapping; raises yaml.YAMLError as the safe loader does."""
        keep_words(node)
        return super().construct_mapping(node, deep=deep)


def read_words(text: str) -> object:
    """Plain data out of YAML, with keys that are kept as words.

    Raises:
        yaml.YAMLError: it is none.
    """
    loader = WordLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
