"""Cells know their columns, whatever stands in the heads and beside them."""

from __future__ import annotations

import re

from gridiface.operator.screens.cells import labelled

HEAD = (
    '<table><thead><tr><th scope="col">name</th><th scope="col" class="n">more / <b>less</b>\n possible</th>'
    '<th scope="col"><span class="unseen">do</span></th><th>say "why"</th></tr></thead><tbody>'
)


def cells(html: str) -> list[tuple[str, str]]:
    """(label, text) of each cell."""
    found = re.findall(r"<td([^>]*)>([^<]*)", labelled(html))
    labels = [re.search(r'data-label="([^"]*)"', attributes) for attributes, _ in found]
    return [(label[1] if label else "", text) for label, (_, text) in zip(labels, found, strict=True)]


def test_each_cell_has_the_words_of_its_column_and_a_row_head_none() -> None:
    html = HEAD + '<tr><th scope="row">a</th><td class="n">1</td><td>2</td><td>3</td></tr></tbody></table>'
    assert cells(html) == [("more / less possible", "1"), ("", "2"), ("say &#34;why&#34;", "3")]
    assert '<td class="n" data-label="more / less possible">1</td>' in labelled(html)
    assert '<tr><th scope="row">a</th>' in labelled(html)


def test_a_cell_over_several_columns_has_none_and_the_next_counts_on() -> None:
    html = HEAD + '<tr><td colspan="3">none</td><td>x</td></tr></tbody></table>'
    assert cells(html) == [("", "none"), ("say &#34;why&#34;", "x")]


def test_tables_do_not_know_each_others_heads() -> None:
    bare = "<table><tbody><tr><td>x</td></tr></tbody></table>"
    assert cells(HEAD + "<tr><td>y</td></tr></tbody></table>" + bare) == [("name", "y"), ("", "x")]


def test_more_cells_than_heads_and_pages_without_tables_stay() -> None:
    html = "<table><thead><tr><th>one</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"
    assert cells(html) == [("one", "1"), ("", "2")]
    assert labelled("<p>&lt;td&gt; is a cell</p>") == "<p>&lt;td&gt; is a cell</p>"
