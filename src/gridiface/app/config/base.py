"""What every block of the configuration is made of: the base model, identifiers, places to listen on."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _identifier(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit")
    return text


def _listen(text: str) -> str:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("write HOST:PORT, for example 0.0.0.0:8443 or [::]:8443")
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]
Listen = Annotated[str, AfterValidator(_listen)]


def host_port(listen: str) -> tuple[str, int]:
    """Split a validated HOST:PORT; brackets of an IPv6 address are dropped."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


class Block(BaseModel):
    """Base of every block: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
