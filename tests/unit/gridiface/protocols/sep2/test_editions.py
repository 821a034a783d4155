"""The tables of older editions fit the types of 2018, and lead back."""

from __future__ import annotations

import pytest

from gridiface.protocols.sep2.editions import E2013, E2017, TYPES, TYPES_BACK, Edition
from gridiface.protocols.sep2.resources import ELEMENTS
from gridiface.protocols.xmlwire import spec_of

KINDS = {**ELEMENTS, **{spec_of(cls).name: cls for cls in spec_of(ELEMENTS["Time"]).vocabulary.types.values()}}


@pytest.mark.parametrize("edition", [E2017, E2013], ids=lambda edition: edition.name)
def test_every_name_of_2018_is_one_of_its_type_and_no_two_become_alike(edition: Edition) -> None:
    for kind, names in (*edition.renamed.items(), *edition.unknown.items()):
        known = {f.wire for f in spec_of(KINDS[kind]).elements}
        assert set(names) <= known, kind
    for kind, names in edition.renamed.items():
        assert len(edition.back[kind]) == len(names)
        assert not set(names) & edition.unknown.get(kind, frozenset())
    assert len(set(edition.curves.values())) == len(edition.curves)
    modes = [mode for mode, _ in edition.modes.values()]
    assert len(set(modes)) == len(modes)


def test_der_types_lead_back_where_the_older_one_says_which() -> None:
    assert all(TYPES[new] == old for old, new in TYPES_BACK.items())
