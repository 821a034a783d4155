"""Local mode and tags: what is kept, and what cannot be read."""

import pytest

from gridiface.domain.changes import Document
from gridiface.northbound.dnp3.tags import SPACE, Tags, load


def test_what_is_kept_is_read_again():
    tags = Tags(local=True).with_block("breaker", "tag 1").with_block("", "all").without_block("breaker")
    assert tags == Tags(local=True, blocked={"": "all"})
    kept = tags.document("gateway")
    documents = [Document(SPACE, "other", b"{}"), Document(kept.space, kept.key, kept.body)]
    assert load(documents, "gateway") == tags
    assert load(documents, "third") is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"local": true}', b'{"local": true, "blocked": []}', b"\xff"])
def test_what_cannot_be_read_counts_as_never_set(body):
    assert load([Document(SPACE, "gateway", body)], "gateway") is None
