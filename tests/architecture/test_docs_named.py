"""What names a page of the documentation leads there, to its heading too; what a page shows as configuration loads."""

from __future__ import annotations

import copy
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridiface.app.config.load import parse_config
from gridiface.app.config.model import Config
from gridiface.plainyaml import read_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "conformance").rglob("*.md")]

#: Where messages, comments and templates stand.
ROOMS = ("src", "southbound", "deploy", "tests", "requirements", "schemas")
BESIDE = ("Makefile", "pyproject.toml", "hatch_build.py", "mkdocs.yml")
NAMED = re.compile(r"\bdocs/[a-z0-9][a-z0-9/_-]*(?:\.[a-z]+)?(?:#[\w-]+)?")


def slug(heading: str) -> str:
    """A heading's anchor, as the site and code forges make it."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", words).strip().lower())


def anchors(page: Path) -> set[str]:
    return {slug(line) for line in re.findall(r"^#{1,6} +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)}


def broken(target: str, beside: Path) -> bool:
    """Whether `target`, seen from the folder `beside`, is not there, or has not the heading that is named."""
    name, _, anchor = target.partition("#")
    path = (beside / name).resolve()
    if re.fullmatch(r"\d{4}", path.name):  # a decision may be named by its number
        return len(list(path.parent.glob(f"{path.name}-*.md"))) != 1
    return not path.exists() or (bool(anchor) and anchor not in anchors(path))


def texts() -> Iterator[Path]:
    for room in ROOMS:
        yield from (path for path in (ROOT / room).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    yield from (ROOT / name for name in BESIDE)


def test_every_page_that_a_message_or_a_comment_names_is_there() -> None:
    found, lost = 0, []
    for path in texts():
        for target in NAMED.findall(path.read_bytes().decode(errors="replace")):
            found += 1
            if broken(target, ROOT):
                lost.append(f"{path.relative_to(ROOT)} -> {target}")
    assert found > 20
    assert not lost


def test_links_between_pages_lead_to_headings_that_are_there() -> None:
    found, lost = 0, []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" in target or "#" not in target:
                continue
            found += 1
            if broken(target if not target.startswith("#") else page.name + target, page.parent):
                lost.append(f"{page.relative_to(ROOT)} -> {target}")
    assert found > 20
    assert not lost


def shown() -> Iterator[tuple[str, dict[str, Any]]]:
    """Blocks of YAML whose keys are those of the configuration."""
    for page in (ROOT / "docs").rglob("*.md"):
        blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for number, block in enumerate(blocks):
            data = read_yaml(textwrap.dedent(block))
            if isinstance(data, dict) and set(data) <= set(Config.model_fields):
                yield f"{page.stem}-{number}", data


SHOWN = dict(shown())


def needed(shown: dict[str, Any]) -> dict[str, Any]:
    """A configuration in which `shown` can stand: with the devices and groups that it speaks of."""
    text = yaml.safe_dump(shown)
    whole = copy.deepcopy(shown)
    if "sep2" in whole:
        whole["sep2"].setdefault("tls", {"certificate": "server.pem", "key": "server.key", "roots": ["root.pem"]})
    devices, groups = whole.setdefault("devices", []), whole.setdefault("groups", [])
    known = {one["id"] for one in devices} | {one["id"] for one in groups}
    known |= {
        one["device"]
        for ven in whole.get("openadr", {}).get("vtn", {}).get("vens", ())
        for one in ven.get("members", ())
    }
    spoken = set(re.findall(r"\bdevice: '?([\w-]+)", text)) - known
    for name in sorted(spoken):
        speaks = any(client.get("device") == name for client in whole.get("sep2", {}).get("clients", ()))
        other = {"driver": "sunspec", "kind": "battery", "connection": {"host": "192.0.2.1"}}
        devices.append({"id": name, **({"driver": "sep2", "kind": "pv_battery"} if speaks else other)})
    lists = re.findall(r"\bgroups:\n((?: *- [\w-]+\n)+)", text)
    meant = set(re.findall(r"\bgroup: ([\w-]+)", text)) | {
        name for one in lists for name in re.findall(r"- ([\w-]+)", one)
    }
    groups.extend({"id": name, "members": []} for name in sorted(meant - known))
    return whole


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_page_shows_as_configuration_loads(name: str, tmp_path: Path) -> None:
    parse_config(yaml.safe_dump(needed(SHOWN[name])), tmp_path / "gridiface.yaml")


def test_pages_show_configurations() -> None:
    assert len(SHOWN) > 20
