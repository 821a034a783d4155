"""Object references of IEC 61850-7-2 and the MMS names that carry them (IEC 61850-8-1 clause 7.3).

`VPPDER/MMXU1.TotW.mag.f` with functional constraint MX is item `MMXU1$MX$TotW$mag$f` of domain `VPPDER`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.names import MAX_NAME, Name

_REFERENCE = re.compile(
    r"([A-Za-z][A-Za-z0-9_]{0,63})/([A-Za-z][A-Za-z0-9_]{0,31})((?:\.[A-Za-z][A-Za-z0-9_]{0,63}){1,12})"
)


class Constraint(StrEnum):
    """Functional constraints (IEC 61850-7-2 annex B)."""

    ST = "ST"
    MX = "MX"
    SP = "SP"
    SV = "SV"
    CF = "CF"
    DC = "DC"
    SG = "SG"
    SE = "SE"
    SR = "SR"
    OR = "OR"
    BL = "BL"
    EX = "EX"
    CO = "CO"
    RP = "RP"
    BR = "BR"


class Reference(NamedTuple):
    """Logical device, logical node, and the way from the data object to the attribute."""

    device: str
    node: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.device}/{'.'.join((self.node, *self.path))}"

    @property
    def attributes(self) -> tuple[str, ...]:
        """What stands behind the data object."""
        return self.path[1:]

    def name(self, constraint: Constraint | str) -> Name:
        """The whole reference's variable."""
        return Name(self.device, "$".join((self.node, constraint, *self.path)))

    def object_name(self, constraint: Constraint | str) -> Name:
        """The variable of its data object, which holds value, quality and time together."""
        return Name(self.device, "$".join((self.node, constraint, self.path[0])))


def parse(text: str) -> Reference:
    """A reference as people write it; `LD/LN.DO` at least.

    Raises:
        LocalProtocolError: it is none.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None or len(text) > MAX_NAME:
        raise LocalProtocolError(f"{text!r} is no reference: logical device/logical node.data object.attribute")
    device, node, path = found.groups()
    return Reference(device, node, tuple(path.split(".")[1:]))


def split(name: Name) -> tuple[Reference, Constraint] | None:
    """The reference behind a variable's name; None where it is of another form."""
    node, *rest = name.item.split("$")
    if len(rest) < 2 or rest[0] not in Constraint.__members__:
        return None
    return Reference(name.domain, node, tuple(rest[1:])), Constraint(rest[0])


def data_set_name(text: str) -> Name:
    """A data set, `LD/LN.name`, `LD/LN$name`, or `@name` of the association (IEC 61850-8-1 clause 14).

    Raises:
        LocalProtocolError: it is none.
    """
    if text.startswith("@") and len(text) > 1:
        return Name("@", text[1:])
    domain, _, item = text.partition("/")
    item = item.replace(".", "$")
    if not domain or item.count("$") != 1:
        raise LocalProtocolError(f"{text!r} is no data set: logical device/logical node.name, or @name")
    return Name(domain, item)


def data_set_text(name: Name) -> str:
    """A data set as a report control block names it."""
    return str(name)
