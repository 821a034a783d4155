"""Reads the YAML file and checks it. Owns no meaning: model.py does; how mistakes are told: mistakes.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from gridiface.app.config.checks import cross_checks, driver_checks, extra_checks, file_checks
from gridiface.app.config.mistakes import Place, Wrong, dotted, of_model, of_yaml, refused, telling
from gridiface.app.config.model import Config
from gridiface.errors import ConfigError
from gridiface.plainyaml import line_of, read_nodes

_MAX_BYTES = 16 * 1024 * 1024

Checks = Callable[[Config], Iterable[tuple[Place, str]]]


def load_config(path: Path, *, drivers: bool = False, also: Checks | None = None) -> Config:
    """Read and check a configuration file.

    Args:
        path: the YAML file; relative paths inside it are resolved against its folder.
        drivers: also ask each device's driver about its `connection`, which imports the drivers that are named, and
            whether the extras that are needed are installed.
        also: further checks of what is right so far; gives each mistake as (place, what is wrong; the fix).

    Raises:
        ConfigError: every mistake, one line each: `file:line: where: what is wrong; the fix`.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: larger than {_MAX_BYTES} bytes; split the fleet over several servers")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as problem:
        raise ConfigError(f"{path}: there is no such file; `gridiface init` writes one") from problem
    except IsADirectoryError as problem:
        raise ConfigError(f"{path}: is a folder; name the file in it, as {path / 'gridiface.yaml'}") from problem
    except OSError as problem:
        raise ConfigError(
            f"{path}: cannot be read: {problem.strerror}; look at its rights and its folder's"
        ) from problem
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path}: is no UTF-8 text: {problem}; save it as UTF-8") from problem
    return parse_config(text, path, drivers=drivers, also=also)


def parse_config(text: str, path: Path, *, drivers: bool = False, also: Checks | None = None) -> Config:
    """`load_config` on text that is already read; `path` is used for messages and relative paths.

    Raises:
        ConfigError: as load_config.
    """
    try:
        root, data = read_nodes(text)
    except yaml.YAMLError as problem:
        raise refused([of_yaml(path, problem, text)]) from problem
    if not isinstance(data, dict):
        text = "the file must hold keys and values; `gridiface init` writes an example"
        raise refused([Wrong(path, 1, "", text)])
    try:
        config = Config.model_validate(data)
    except ValidationError as problem:
        raise refused(of_model(path, root, error) for error in telling(problem)) from problem
    config = _absolute(config, path.resolve().parent)
    beyond = (extra_checks(config), driver_checks(config), file_checks(config)) if drivers else ()
    mistakes: Iterator[tuple[Place, str]] = chain(cross_checks(config), *beyond)
    first = next(mistakes, None)
    if first is None and also is not None:
        mistakes = iter(also(config))
        first = next(mistakes, None)
    if first is not None:
        told = chain([first], mistakes)
        raise refused(Wrong(path, line_of(root, place), dotted(place), text) for place, text in told)
    return config


def _absolute(config: Config, folder: Path) -> Config:
    """The configuration with every relative path resolved against its file's folder."""

    def walk(value: object) -> object:
        if isinstance(value, BaseModel):
            changed = {name: walk(getattr(value, name)) for name in type(value).model_fields}
            return value.model_copy(update=changed)
        if isinstance(value, Path):
            return folder / value.expanduser()
        if isinstance(value, tuple):
            return tuple(walk(item) for item in value)
        return value

    resolved = walk(config)
    assert isinstance(resolved, Config)
    resolved = resolved.placed_in(folder)
    prefix = "sqlite:///"
    name = resolved.database.removeprefix(prefix)
    # A plain name is a file as well: wherever the command is started that opens it, it is the one beside this file.
    if (resolved.database.startswith(prefix) or "://" not in name) and name != ":memory:":
        return resolved.model_copy(update={"database": prefix + str(folder / Path(name).expanduser())})
    return resolved


def paths_of(value: object, place: Place = ()) -> Mapping[Place, Path]:
    """Every path in a loaded configuration by its place; `gridiface doctor` looks at each."""
    if isinstance(value, Path):
        return {place: value}
    if isinstance(value, BaseModel):
        items: list[tuple[int | str, object]] = [(name, getattr(value, name)) for name in type(value).model_fields]
    elif isinstance(value, tuple):
        items = list(enumerate(value))
    else:
        return {}
    return {where: path for step, item in items for where, path in paths_of(item, (*place, step)).items()}


def certificates_in(config: Config) -> list[Path]:
    """Every file that a configuration calls `certificate`, each once."""
    return list(dict.fromkeys(path for place, path in paths_of(config).items() if place[-1] == "certificate"))
