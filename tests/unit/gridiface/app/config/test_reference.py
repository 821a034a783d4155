"""The configuration described from its models."""

from __future__ import annotations

import json

from gridiface.app.config import reference


def test_nested_keys_are_dotted_and_lists_are_marked() -> None:
    names = [name for name, _ in reference.entries()]
    assert "sep2.tls.certificate" in names
    assert "sep2.clients[].lfdi" in names
    assert "devices[].rating.max_w" in names


def test_page_shows_types_limits_and_defaults() -> None:
    page = reference.page()
    assert "| `sep2.tls.profile` | `strict` or `compatible` | `strict` |" in page
    assert "integer, >= 1, <= 86400" in page
    assert "| `sep2.tls.key` | path | required |" in page


def test_json_schema_forbids_unknown_keys() -> None:
    assert json.loads(reference.json_schema())["additionalProperties"] is False
