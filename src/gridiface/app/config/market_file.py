"""Market thresholds in a file of the installation's own. Owns reading it; its form is the portfolio's."""

from __future__ import annotations

from pathlib import Path

from gridiface.aggregation.portfolio import Markets, bundled_markets, parse_markets
from gridiface.errors import ConfigError


def markets_of(path: Path | None) -> Markets:
    """The markets of a file, or those that come with the package.

    Raises:
        ConfigError: the file cannot be read, or is not of its form.
    """
    if path is None:
        return bundled_markets()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read: {problem.strerror}; look at its name and rights") from problem
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path}: not UTF-8; save it with that encoding") from problem
    return parse_markets(text, str(path))
