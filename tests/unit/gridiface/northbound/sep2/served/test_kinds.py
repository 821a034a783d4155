"""What is served: nothing that the standard's table does not have, and what a place demands of it."""

from __future__ import annotations

import pytest

from gridiface.northbound.sep2.served.kinds import KINDS, MIRRORED, READ, Kind, ListKind, kind, list_kind
from gridiface.protocols.sep2.uris import BY_TEMPLATE


def test_every_resource_can_be_read_and_offers_no_method_that_the_standard_forbids() -> None:
    for template, found in KINDS.items():
        assert found.methods[:2] == READ, template
        row = BY_TEMPLATE.get(template)
        if row is not None:
            assert found.name == row.resource, template


def test_single_resources_and_lists_are_told_apart() -> None:
    assert isinstance(kind("/dcap"), Kind)
    assert isinstance(list_kind("/edev"), ListKind)
    with pytest.raises(KeyError):
        kind("/edev")
    with pytest.raises(KeyError):
        list_kind("/dcap")


def test_what_is_made_of_a_mirror_is_only_read() -> None:
    assert MIRRORED
    assert all(found.methods == READ for found in MIRRORED.values())
    assert all(template.startswith("/upt/") for template in MIRRORED)


def test_what_differs_from_viewer_to_viewer_is_marked() -> None:
    assert kind("/dcap").per_view
    assert not kind("/tm").per_view
