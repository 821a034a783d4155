"""Where a verb works: at a running server, or on the store of a stopped one. Owns the choice, no words.

What can be done at both has a protocol and two classes beside this file (fleet_place, user_place, token_place,
audit_place); verbs know the protocol only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gridiface.cli.places.direct import DirectOption, is_direct
from gridiface.cli.places.remote import Remote, reaching
from gridiface.errors import ConfigError
from gridiface.wording import said

#: A body or an answer of the REST API; both places take and give the same.
Plain = dict[str, Any]

Asked = TypeVar("Asked", bound=BaseModel)


def chosen(url: str | None, config: Path | None, token_file: Path | None) -> Path | Remote:
    """The configuration of the store, where one is named and there is no token; else the server.

    Raises:
        ConfigError: an address or token that cannot be used.
    """
    if config is not None and is_direct(config, token_file):
        return config
    return Remote.of(url, config, token_file)


def at(place_of: Callable[[str | None, Path | None, Path | None], object]) -> Callable[..., Callable[..., None]]:
    """For verbs that work at a place of one kind: they are given it; the command line has the options that lead there.

    Args:
        place_of: such as users_at.
    """
    return lambda verb: reaching(verb, place_of, DirectOption)


def checked(kind: type[Asked], given: Mapping[str, Any], prefix: str = "") -> Asked:
    """What was asked for, held against the rules that the REST API has.

    Args:
        kind: a body or a query of the REST API.
        given: its fields.
        prefix: before the name of a field that is wrong; "--" where options have the names of the fields.

    Raises:
        ConfigError: the first field that is not right.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as problem:
        fault = problem.errors(include_url=False)[0]
        where = prefix + ".".join(str(step) for step in fault["loc"])
        raise ConfigError(f"{where}: {said(fault)}") from problem
