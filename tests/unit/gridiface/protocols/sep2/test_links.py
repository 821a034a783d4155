"""Links and the kinds behind them; a list's own path, a server's own authority."""

from __future__ import annotations

import pytest

from gridiface.protocols.sep2.links import kind_of_link, links_of, without_default_port, without_paging
from gridiface.protocols.sep2.resources import DERControlList, DERProgram, ListLink


@pytest.mark.parametrize(
    ("target", "own"),
    [
        ("/a", "/a"),
        ("/a?s=0&l=255", "/a"),
        ("/a?x=1&s=0&l=5&y=s", "/a?x=1&y=s"),
        ("/a?", "/a"),
        ("/a?list=s", "/a?list=s"),
    ],
)
def test_a_lists_own_address_is_without_the_page_that_was_asked_for(target: str, own: str) -> None:
    assert without_paging(target) == own


def test_the_kind_behind_a_link() -> None:
    assert kind_of_link("DERControlListLink") is DERControlList
    assert kind_of_link("ActiveDERControlListLink") is DERControlList
    assert kind_of_link("CurrentDERProgramLink") is DERProgram
    assert kind_of_link("NothingLink") is None
    assert [name for name, _ in links_of(DERProgram(mRID="01", primacy=1, DERCurveListLink=ListLink(href="/dc")))] == [
        "DERCurveListLink"
    ]


@pytest.mark.parametrize(
    ("authority", "plain"), [("Server:443", "server"), ("server", "server"), ("server:8443", "server:8443")]
)
def test_authorities_of_the_same_server_are_alike(authority: str, plain: str) -> None:
    assert without_default_port(authority) == plain
