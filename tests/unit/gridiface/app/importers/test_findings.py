"""Safe reading of foreign documents, and places with lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.app.importers.findings import MOST_BYTES, Document, Severity, decoded, read_bytes, read_text
from gridiface.errors import ConfigError

PATH = Path("site.yaml")


@pytest.mark.parametrize(
    ("text", "form", "wrong"),
    [
        ("a: [", "yaml", "site.yaml:1: not valid YAML"),
        ("a: 1\na: 2\n", "yaml", "site.yaml:2: the key 'a' stands twice"),
        ("a: &x [1]\nb: *x\n", "yaml", "site.yaml:2: aliases"),
        ("&a [*a]", "yaml", "aliases"),
        ("[" * 5000, "yaml", "nested too deeply"),
        ("a: 2020-99-99", "yaml", "not valid YAML"),
        ("? [1]\n: 2\n", "yaml", "not valid YAML"),
        ("!!python/object:os.system x", "yaml", "not valid YAML"),
        ('{"a": NaN}', "json", "not valid JSON"),
        ('{"a": 1, "a": 2}', "json", "stands twice"),
        ('{"a": 1', "json", "not valid JSON"),
        ("a: 1", "json", "not valid JSON"),
        ("\x00", "yaml", "not valid YAML"),
        ("#" * (MOST_BYTES + 1), "yaml", "larger than"),
    ],
)
def test_what_cannot_be_read_safely_is_refused(text: str, form: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Document(PATH, text, form)
    assert wrong in str(caught.value)


def test_findings_carry_line_place_and_fix() -> None:
    document = Document(PATH, "a:\n  b:\n    - c: x\n", "yaml")
    assert document.number(("a", "b", 0, "c")) is None
    document.unknown_keys(("a", "b", 0), ["cc"])
    document.note(("a",), "seen", "nothing to do")
    texts = [str(finding) for finding in document.findings]
    said = "site.yaml:3: a.b[0].c: must be a number without a unit, and is a text; write a number from"
    assert texts[0].startswith(said)
    assert texts[1] == "site.yaml:3: a.b[0].c: unknown key, left out; did you mean 'cc'?"
    assert document.findings[2].severity is Severity.NOTE
    with pytest.raises(ConfigError, match=r"site\.yaml:3: a\.b\[0\]\.c: must be a number") as caught:
        document.raise_errors()
    assert "unknown key" not in str(caught.value)


def test_json_with_tabs_has_lines_too() -> None:
    document = Document(PATH, '{\n\t"a": {\n\t\t"b": true\n\t}\n}', "json")
    assert document.number(("a", "b")) is None
    assert document.findings[0].line == 3


def test_typed_access() -> None:
    document = Document(PATH, "n: 5\nt: ' x '\nl: [1]\nm: {k: 1}\nbig: 1" + "0" * 400 + "\ninf: .inf\n", "yaml")
    assert document.number(("n",), low=0, high=10) == 5.0
    assert document.text(("t",)) == "x"
    assert document.items(("l",)) == [1]
    assert document.mapping(("m",)) == {"k": 1}
    assert document.get(("l", 3)) is None
    assert document.findings == []
    assert document.number(("n",), low=0, high=4) is None
    assert document.number(("big",)) is None
    assert document.number(("inf",)) is None
    assert document.text(("l",)) is None
    assert document.items(("n",)) == []
    assert document.mapping(("n",)) == {}
    assert document.mapping(("none",), required=True) == {}
    assert [finding.severity for finding in document.findings] == [Severity.ERROR] * 7


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(file) == "abc"
    with pytest.raises(ConfigError, match="larger than 2 bytes"):
        read_bytes(file, 2)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_bytes(tmp_path / "none", 2)
    with pytest.raises(ConfigError, match=":2: not UTF-8"):
        decoded(file, b"a\n\xff")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("'1000'", "a text in quotes"),
        ("80%", "a text"),
        ("[300]", "a list"),
        ("{a: 1}", "a block"),
        ("yes", "true or"),
        ("2026-01-01", "a date"),
    ],
)
def test_what_stands_in_the_place_of_a_number_is_told(value: str, what: str) -> None:
    document = Document(PATH, f"a: {value}", "yaml")
    assert document.number(("a",)) is None
    assert f"and is {what}" in str(document.findings[0])


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ('{"a": 1,\n"b": NaN}', 2, "NaN is no JSON number"),
        ('{"a": "NaN",\n\n"b": -Infinity}', 3, "-Infinity is no JSON number"),
        ('{"a": 1,\n}', 2, "not valid JSON"),
        ("{'a': 1}", 1, "not valid JSON"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(text: str, line: int, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        Document(PATH, text, "json")
    assert str(caught.value).startswith(f"site.yaml:{line}: ")


@pytest.mark.parametrize("key", ["modbusTcp", "Modbus-TCP", "MODBUS_TCP", "modbus_tpc"])
def test_a_key_that_is_almost_one_of_the_forms_is_named_with_the_errors(key: str) -> None:
    document = Document(PATH, f"{key}: 1\nother_thing: 2", "yaml")
    document.unknown_keys((), ["modbus_tcp", "topology"])
    document.error(("modbus_tcp",), "missing", "add it")
    document.error(("modbus_tcp",), "missing", "add it")  # is said once
    with pytest.raises(ConfigError) as caught:
        document.raise_errors()
    first, second = str(caught.value).splitlines()
    assert "did you mean 'modbus_tcp'?" in first
    assert second.endswith("missing; add it")


def test_a_line_has_no_signs_that_cannot_be_seen() -> None:
    document = Document(PATH, 'a: "s\\ts\\u202e"\nb: plain', "yaml")
    assert (document.line(("a",)), document.line(("b",)), document.line(("c",))) == ("s s", "plain", None)
    assert "control characters" in str(document.findings[0])
    assert document.text(("a",)) is not None
    long = Document(PATH, f"a: {'x' * 501}", "yaml")
    assert long.text(("a",)) is None
    assert "501 characters" in str(long.findings[0])


def test_keys_beside_the_forms_own_are_told() -> None:
    document = Document(PATH, "form: {a: 1}\nformer: 2", "yaml")
    assert document.root("form") == ("form",)
    assert "former: unknown key" in str(document.findings[0])
