"""Each mistake names file, line and place, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.app.config.load import parse_config
from gridiface.errors import ConfigError

#: What somebody writes, the line that is named, and what they are told to do.
WRITTEN = [
    ("site: a\n\tdatabase: b\n", 2, "indent with spaces"),
    ("site: a\nsite: b\n", 2, "keep one of the two"),
    ("site: a: b\n", 1, "put text with a colon in quotes"),
    ("devices:\n- id: a\n   driver: b\n", 3, "indent keys of one block alike"),
    ("groups: [{id: a, members: [b}]\n", 1, "close the bracket"),
    ("site: 'a\n", 2, "close the quotes"),
    ("site: *plant\n", 1, "where the value first stands"),
    ("a list\n", 1, "`gridiface init` writes an example"),
    ("site: 5\n", 1, "write text, in quotes where it is a number"),
    ("operator: yes\n", 1, "write its keys and values below it"),
    ("devices:\n- {id: a, driver: sunspec, rating: {max_w: 5kW}}\n", 2, "write a number without a unit"),
    ("devices:\n- {id: a, driver: sunspec, tier: 1.5}\n", 2, "write a whole number"),
    ("devices:\n- {id: a, driver: sunspec, enabled: perhaps}\n", 2, "write true or false"),
    ("groups:\n- {id: a, members: b}\n", 2, "write a list"),
    ("devices:\n- {id: a, driver: sunspec, conection: {}}\n", 2, "did you mean 'connection'?"),
    ("devices:\n- {id: a}\n", 2, "missing; add it: name of an installed driver"),
    ("site: 'a\n  \a'\n", 2, "take the character out"),
    ('site: "\\q"\n', 1, "write a backslash twice"),
    ("site: a\n---\nsite: b\n", 2, "keep one document"),
    ("site: !mine a\n", 1, "take the tag out"),
    ("? [a]\n: b\n", 1, "write the key as plain text"),
    ("1: a\n", 1, "write the key as text"),
    ("database: sqlite://here.sqlite\n", 1, "write sqlite:///here.sqlite"),
    ("groups:\n- {id: a, members: []}\n- {id: b, members: [a, a]}\n", 3, "named twice; keep one"),
    ("engine:\n  stale_after_s: 50\n  lost_after_s: 5\n", 3, "must not be below stale_after_s"),
    ("database: mysql://here/it\n", 1, "write sqlite:///FILE or postgresql://USER@HOST/DB"),
]


@pytest.mark.parametrize(("text", "line", "fix"), WRITTEN, ids=[fix[:30] for _, _, fix in WRITTEN])
def test_a_mistake_is_told_with_its_line_and_the_fix(text: str, line: int, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Path("g.yaml"))
    told = next(one for one in str(caught.value).splitlines() if fix in one)
    assert told.startswith(f"g.yaml:{line}: ")


def test_programs_are_told_each_mistake_by_its_parts() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("site: a\ndevices:\n- {id: a, driver: sunspec, tier: x}\nfleet: 1\n", Path("g.yaml"))
    first, second = caught.value.details["errors"]
    assert (first["file"], first["line"], first["at"]) == ("g.yaml", 3, "devices[0].tier")
    assert (second["line"], second["at"]) == (4, "fleet")
    assert second["detail"].startswith("unknown key; there are: database,")


def test_no_more_mistakes_are_told_than_somebody_reads() -> None:
    entries = "".join(f"- {{id: d{number}, driver: sunspec, tier: x}}\n" for number in range(60))
    with pytest.raises(ConfigError) as caught:
        parse_config(f"devices:\n{entries}", Path("g.yaml"))
    assert str(caught.value).splitlines()[-1] == "and more mistakes"
    assert len(caught.value.details["errors"]) == 50


def test_a_list_is_not_too_short_because_its_entries_are_wrong(tmp_path: Path) -> None:
    """Pydantic counts those that are right."""
    text = "dnp3:\n  outstations:\n    - {name: a, adress: 10, group: fleet}\n  endpoints: []\n"
    with pytest.raises(ConfigError) as caught:
        parse_config(text, tmp_path / "g.yaml")
    told = str(caught.value)
    assert "did you mean 'address'?" in told
    assert "dnp3.outstations: " not in told
    assert "dnp3.endpoints: must have at least 1 entry" in told
