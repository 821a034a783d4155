"""Any name is one segment of a path, and comes back from it."""

from urllib.parse import unquote

import pytest

from gridiface.segments import of_segment, segment


@pytest.mark.parametrize(
    "name", ["openadr/VTN 1/e?1#%2F~9", ".", "..", "~.", "~~..", "...", "~a", "~", "ä\u2028", "", "a+b:c", 7]
)
def test_a_name_is_one_segment_whatever_is_in_it(name: object) -> None:
    made = segment(name)
    assert not set(made) & set("/?#% ") - {"%"}
    assert made not in {".", ".."}
    assert of_segment(unquote(made)) == str(name)
