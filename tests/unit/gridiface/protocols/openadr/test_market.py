"""Market contexts."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.market import normal_context, same_context


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a.example/p", "HTTP://A.EXAMPLE:80/p", True),
        ("https://a.example", "https://a.example:443/", True),
        ("http://a.example/p", "http://a.example/P", False),
        ("http://a.example/?x", "http://a.example/?y", False),
        ("urn:program", "urn:program", True),
        (None, None, True),
        (None, "urn:program", False),
        ("http://[broken", "http://[broken", True),
    ],
)
def test_r512_contexts_are_compared_after_normalisation(one, other, same):
    assert same_context(one, other) is same
    assert normal_context(normal_context(one)) == normal_context(one)
