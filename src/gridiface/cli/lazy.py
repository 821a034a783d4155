"""Verbs that are imported when they are called: `gridiface version` need not load the server.

Owns the table's row (Verb) and the group that loads by it. Help and shell completion list names and one-line helps
from the table and import nothing; the first use of a verb replaces its row by the real command.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as command_of

from gridiface.cli.collector import paused

#: Columns that help has on the narrowest of usual terminals, 80 without the margins.
COLUMNS = 78
#: An example, with what stands before it; its words, as a shell takes them.
_EXAMPLE = re.compile(r" *(?:[A-Z]?[a-z ]+: *)?gridiface .*")
_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: name on the command line, `module:attribute` of its function or typer.Typer, one-line help.

    The help is the first line of the function's docstring (or of the Typer's `help`), which a test compares.
    """

    name: str
    target: str
    help: str

    def load(self) -> Any:
        """The real command: a group where the target is a typer.Typer, else a command."""
        module, attribute = self.target.split(":")
        with paused():
            found = getattr(import_module(module), attribute)
        carrier = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        carrier.callback()(_nothing)
        if isinstance(found, typer.Typer):
            carrier.add_typer(found, name=self.name)
        else:
            carrier.command(self.name)(found)
        made = command_of(carrier).commands[self.name]  # type: ignore[attr-defined]  # a callback makes it a group
        _unfold(made)
        return made

    def row(self) -> TyperCommand:
        """What help and completion list while the verb is not loaded."""
        return TyperCommand(name=self.name, help=self.help)


def flowing(text: str) -> str:
    """A docstring whose paragraphs are one line each, so that a terminal of any width breaks them where it ends.

    Lines that begin with a blank, a dash or `Example` stay lines of their own.
    """
    lines: list[str] = []
    for line in text.splitlines():
        own = not line.strip() or line.startswith((" ", "- ", "Example"))
        if own or not lines or not lines[-1].strip() or lines[-1].startswith((" ", "- ", "Example")):
            lines.append(line)
        else:
            lines[-1] += f" {line}"
    return "\n".join(lines)


def pasteable(text: str) -> str:
    """A help whose examples can be pasted from a terminal: it breaks none, we break long ones as a shell joins them."""
    return "\n".join(_broken(line) if _EXAMPLE.fullmatch(line) else line for line in joined(text).splitlines())


def joined(text: str) -> str:
    """Examples that go over several lines, as one line each."""
    return re.sub(r" *\\\n *", " ", text)


def _broken(line: str) -> str:
    """A command in lines of at most COLUMNS, which end with a backslash where it goes on."""
    if len(line) <= COLUMNS:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    first, *words = _WORD.findall(line)
    lines = [indent + first]
    for before, word, after in zip([first, *words], words, [*words[1:], ""], strict=False):
        # An option stays with what follows it.
        whole = f"{word} {after}" if word.startswith("-") and not after.startswith("-") else word
        begins = word.startswith("-") or not before.startswith("-")
        if begins and len(f"{lines[-1]} {whole} \\") > COLUMNS:
            lines[-1] += " \\"
            lines.append(f"{indent}    {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def _unfold(command: Any) -> None:
    if command.help:
        command.help = pasteable(flowing(command.help))
    for inner in getattr(command, "commands", {}).values():
        _unfold(inner)


def _nothing() -> None:
    """A callback makes typer build a group even around one command."""


class LazyGroup(TyperGroup):
    """A group whose subclasses name their `verbs`; commands registered on the Typer itself come after them."""

    verbs: ClassVar[tuple[Verb, ...]] = ()

    def __init__(self, *, commands: Any = None, **attributes: Any) -> None:
        rows: MutableMapping[str, Any] = {verb.name: verb.row() for verb in self.verbs}
        super().__init__(commands={**rows, **(commands or {})}, **attributes)
        self._unloaded = {verb.name: verb for verb in self.verbs}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does it, with the named verb loaded."""
        if args:
            self.load(args[0])
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> None:
        """Import one verb; nothing happens for a name that is none, or that is loaded."""
        verb = self._unloaded.pop(name, None)
        if verb is not None:
            self.commands[name] = verb.load()

    def load_all(self) -> None:
        """Import every verb: for pages and tests that look at them all."""
        for name in tuple(self._unloaded):
            self.load(name)
