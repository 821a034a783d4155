"""Market thresholds in a file of the installation's own, and what is said where it is not right."""

from pathlib import Path

import pytest

from gridiface.aggregation.portfolio import bundled_markets
from gridiface.app.config import load_config
from gridiface.app.config.market_file import markets_of
from gridiface.errors import ConfigError


def test_without_a_file_those_of_the_package_count() -> None:
    assert markets_of(None) == bundled_markets()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"\xff", "not UTF-8"),
        (b"[[market]\n", "not valid TOML"),
        (b"[[market]]\nid = 1\n", "has the wrong kind of value"),
        (b"[[market]]\nid = 'a'\n", "missing; add it"),
        (b"stale = 1\n", "unknown key"),
    ],
)
def test_a_file_that_is_not_right_is_told_by_a_check_of_the_configuration(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    file, config = tmp_path / "markets.toml", tmp_path / "gridiface.yaml"
    if content is not None:
        file.write_bytes(content)
    config.write_text("site: s\nmarkets: markets.toml\n")
    with pytest.raises(ConfigError, match=says):
        markets_of(file)
    with pytest.raises(ConfigError, match=says) as caught:
        load_config(config, drivers=True)
    assert str(caught.value).startswith(f"{config}:2: markets: ")
