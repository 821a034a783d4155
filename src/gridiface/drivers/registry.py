"""Finds drivers by entry point and makes them from configuration. Owns no driver and no connection."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gridiface.domain.clock import Clock
from gridiface.drivers.api import (
    ENTRY_POINT_GROUP,
    FOLDER,
    NO_FILE,
    Driver,
    DriverConfig,
    DriverFactory,
    KeyProblems,
    Place,
)
from gridiface.errors import ConfigError
from gridiface.wording import said


class KeysRefused(ConfigError):
    """A driver refuses a device's keys.

    Attributes:
        told: (place in the keys, what is wrong), one for each mistake.
    """

    def __init__(self, text: str, told: Iterable[tuple[Place, str]]) -> None:
        super().__init__(text)
        self.told = tuple(told)


@dataclass(frozen=True, slots=True)
class KeyKinds:
    """Keys of a driver that name files, and those whose texts may look like a file's path and are none."""

    files: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


class DriverRegistry:
    """The drivers that are installed, by name; each is imported when it is first asked for.

    Args:
        found: entry points to use instead of the installed ones.
        folder: of the configuration file; relative paths in devices' keys begin there.
    """

    def __init__(self, found: Iterable[EntryPoint] | None = None, *, folder: Path | None = None) -> None:
        self._folder = folder
        installed = entry_points(group=ENTRY_POINT_GROUP) if found is None else found
        self._points: Mapping[str, EntryPoint] = {point.name: point for point in installed}
        self._loaded: dict[str, DriverFactory] = {}

    def names(self) -> tuple[str, ...]:
        """The installed drivers."""
        return tuple(sorted(self._points))

    def factory(self, name: str) -> DriverFactory:
        """The driver's class.

        Raises:
            ConfigError: no such driver, or it cannot be imported or is no driver.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def config(self, name: str, keys: Mapping[str, Any], *, place: str = "") -> DriverConfig:
        """The driver's keys, checked.

        Raises:
            KeysRefused: a key is wrong; the text names the key and what is wrong, prefixed by `place`.
            ConfigError: as `factory`.
        """
        factory = self.factory(name)
        try:
            return factory.Config.model_validate(dict(keys), context={FOLDER: self._folder})
        except ValidationError as error:
            known = sorted(factory.Config.model_fields)
            told = [found for entry in error.errors() for found in _explained(entry, known)]
            lines = "; ".join(text for _, text in told)
            raise KeysRefused(f"{place + ': ' if place else ''}driver {name}: {lines}", told) from error

    def key_kinds(self, name: str) -> KeyKinds:
        """Which of the driver's keys name files, whatever those are called, and which texts that are none.

        Raises:
            ConfigError: it cannot be imported.
        """
        if name not in self._points:
            return KeyKinds()
        fields = self.factory(name).Config.model_fields
        return KeyKinds(
            frozenset(key for key, field in fields.items() if _holds_path(field.annotation)),
            frozenset(key for key, field in fields.items() if field.json_schema_extra == NO_FILE),
        )

    def create(self, name: str, device_id: str, keys: Mapping[str, Any], *, clock: Clock, place: str = "") -> Driver:
        """A driver for one device, not yet open.

        Raises:
            ConfigError: as `factory` and `config`.
        """
        return self.factory(name).create(device_id, self.config(name, keys, place=place), clock=clock)

    def _load(self, name: str) -> DriverFactory:
        point = self._points.get(name)
        if point is None:
            near = difflib.get_close_matches(name, self._points, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"installed: {', '.join(self.names()) or 'none'}"
            raise ConfigError(f"no driver is called {name!r}; {hint}")
        try:
            loaded = point.load()
        except ModuleNotFoundError as error:
            needed = error.name or str(error)
            fix = _installing(point, needed)
            raise ConfigError(f"driver {name!r} needs {needed}, which is not installed; {fix}") from error
        except Exception as error:
            raise ConfigError(f"driver {name!r} ({point.value}) cannot be imported: {error!r}") from error
        config = getattr(loaded, "Config", None)
        if not (isinstance(config, type) and issubclass(config, DriverConfig) and callable(_create_of(loaded))):
            raise ConfigError(f"driver {name!r} ({point.value}) has no Config model or no create()")
        return cast("DriverFactory", loaded)


def _installing(point: EntryPoint, module: str) -> str:
    """How the package is installed that a driver misses: with the extra of its own distribution that has it."""
    distribution = point.dist
    for wanted in () if distribution is None else distribution.requires or ():
        package, extra = re.match(r"[\w.-]*", wanted), re.search(r"extra\s*==\s*['\"]([^'\"]+)", wanted)
        if package and extra and _same(package[0]) == _same(module.partition(".")[0]):
            return f"pip install '{'' if distribution is None else distribution.name}[{extra[1]}]'"
    return f"look at what {point.value.partition(':')[0]} imports"


def _holds_path(annotation: object) -> bool:
    return annotation is Path or any(_holds_path(part) for part in get_args(annotation))


def _same(name: str) -> str:
    """A name of a distribution in its one form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _create_of(loaded: object) -> object:
    return getattr(loaded, "create", None)


def _explained(entry: ErrorDetails, known: list[str]) -> Iterator[tuple[Place, str]]:
    """What one finding of pydantic says, each with its place."""
    loc: Place = tuple(entry["loc"])
    where = ".".join(str(part) for part in loc)
    error = entry.get("ctx", {}).get("error")
    if isinstance(error, KeyProblems):
        for place, text in error.found:
            yield (*loc, *place), f"{where}: {text}" if where else text
    elif entry["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where, known, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
        yield loc, f"unknown key {where!r}{hint}"
    else:
        message = said(entry)
        yield loc, f"{where}: {message}" if where else message
