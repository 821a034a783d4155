"""Edit windows: records, what is shown of them, their durable form."""

import pytest

from gridiface.domain.changes import Document
from gridiface.northbound.dnp3.der.windows import SPACE, Record, windows_of
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import profile


@pytest.fixture
def window():
    return windows_of("gw", PointMap(profile("der")))["curves"]


def test_the_profile_has_three_windows():
    found = windows_of("gw", PointMap(profile("der")))
    assert {name: len(one.fields) for name, one in found.items()} == {
        "curves": 205, "schedules": 10 + 400 + 9, "simple": 9 + 200 + 8,
    }  # fmt: skip
    assert windows_of("gw", PointMap(profile("iso-gateway"))) == {}


def test_the_selected_record_is_shown(window):
    window.records[2] = Record({"type": 2.0, "x1": 920.0})
    assert window.shown()["AO245"] == 0
    window.selected = 2
    shown = window.shown()
    assert (shown["AO244"], shown["AO245"], shown["AO249"], shown["AO250"]) == (2, 2, 920, 0)


def test_a_record_keeps_what_is_not_0_and_loses_its_notes_when_it_changes():
    record = Record().with_value("type", 2.0).with_notes(state=1.0, by="iso")
    assert record.note("state") == 1.0
    assert record.note("by") == 0.0
    assert record.with_value("type", 0.0) == Record()


def test_records_are_kept_and_read_again(window):
    kept = window.document(7, Record({"x1": 1.0}, {"by": "iso", "done": 5.0}))
    documents = [
        Document(kept.space, kept.key, kept.body),
        Document(SPACE, "other/curves/001", kept.body),
        Document(SPACE, "gw/curves/999", kept.body),
        Document(SPACE, "gw/curves/x", kept.body),
        Document("else", "gw/curves/002", kept.body),
        *(Document(SPACE, f"gw/curves/00{number}", body) for number, body in enumerate(
            [b"", b"[]", b'{"values": {"a": "b"}, "notes": {}}', b'{"values": 1}'], 3)),
    ]  # fmt: skip
    window.load(documents)
    assert window.records == {7: Record({"x1": 1.0}, {"by": "iso", "done": 5.0})}
