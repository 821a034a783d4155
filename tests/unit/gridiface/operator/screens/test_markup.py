"""XML is set in lines and nothing of it is lost, whatever it is; code is marked and everything else escaped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.operator.screens.markup import coded, indented

DEEP = '<a x="1"><b>t</b><c/><d><e>1</e><f></f></d></a>'
LINES = """\
<a x="1">
  <b>t</b>
  <c/>
  <d>
    <e>1</e>
    <f></f>
  </d>
</a>"""


def test_an_element_has_its_line() -> None:
    assert indented(DEEP) == LINES
    assert indented(f"GET /derp\n\n200\n\n{DEEP}") == f"GET /derp\n\n200\n\n{LINES}"
    assert indented(f'<?xml version="1.0"?><!-- c -->{DEEP}') == f'<?xml version="1.0"?>\n<!-- c -->\n{LINES}'


def test_what_is_no_markup_stays() -> None:
    frame = "1>10 segment 60 first last: seq 2 U CONFIRM\n0000  05 64"
    assert indented(frame) == frame


@given(st.text(alphabet="<>/ab!? \n\"'&", max_size=60))
def test_nothing_is_lost(text: str) -> None:
    def bare(told: str) -> str:
        return "".join(told.split())

    assert bare(indented(text)) == bare(text)


def test_depth_has_an_end() -> None:
    assert max(len(line) - len(line.lstrip()) for line in indented("<a>" * 1_000).split("\n")) == 80


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("filters `group`, `driver`", "filters <code>group</code>, <code>driver</code>"),
        ("a ` alone", "a ` alone"),
        ("`<b>` & <i>", "<code>&lt;b&gt;</code> &amp; &lt;i&gt;"),
    ],
)
def test_code_is_marked(text: str, shown: str) -> None:
    assert coded(text) == shown
