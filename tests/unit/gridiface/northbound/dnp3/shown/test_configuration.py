"""The configuration of points as a file: what is taken, what is wrong with one, what is kept."""

import json

import pytest

from gridiface.domain.changes import Document
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.shown.configuration import MOST_OCTETS, SPACE, Configuration
from gridiface.protocols.dnp3.files import FileStatus

NAME = "net power"


def configuration():
    return Configuration("gw", PointMap(profile("iso-gateway")))


def row(one, name=NAME):
    return next(row for row in json.loads(one.octets())["points"] if row["name"] == name)


def written(**changes):
    return json.dumps({"points": [{"name": NAME, **changes}]}).encode()


def test_what_is_read_can_be_written_again():
    one = configuration()
    assert one.stage(one.octets()) is FileStatus.SUCCESS
    assert one.staged


def test_a_written_file_waits_until_it_is_activated():
    one = configuration()
    before = row(one)
    assert one.stage(written(event_class=1, deadband=0.5)) is FileStatus.SUCCESS
    assert row(one) == before
    assert (one.waiting()[NAME].event_class, one.waiting()[NAME].deadband) == (1, 0.5)
    changes = one.waiting()
    one.stage(written(event_class=0))
    one.activated(changes)
    assert one.staged  # a later file waits for its own activation
    one.stage(written(event_class=1, deadband=0.5))
    one.activated(one.waiting())
    assert not one.staged
    assert row(one) == before | {"event_class": 1, "deadband": 0.5}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"points": 1}',
        b'{"points": [], "more": 1}',
        written(event_class=4),
        written(deadband=-1),
        written(event_class="1"),
        written(colour=1),
        written(static_variation=9),
        written().replace(b"net", b"gross"),
        written(deadband=1)[:-2] + b"," + written(deadband=2)[12:],
        b" " * (MOST_OCTETS + 1),
        written().replace(b"}]", b', "deadband": NaN}]'),
    ],
)
def test_a_file_with_a_mistake_changes_nothing_and_is_told(octets, caplog):
    one = configuration()
    assert one.stage(octets) is FileStatus.FATAL
    assert not one.staged
    assert "is refused" in caplog.text


def test_what_was_activated_is_there_after_a_restart():
    one = configuration()
    one.stage(written(event_class=3, event_variation=3))
    put = one.document(one.waiting())
    one.activated(one.waiting())
    other = configuration()
    gone = b'{"name": "gone", "event_class": 1}, {"name": "' + NAME.encode()
    kept = Document(put.space, put.key, put.body.replace(b'{\n   "name": "' + NAME.encode(), gone, 1))
    assert b"gone" in kept.body
    assert other.load([Document(SPACE, "else", b"x"), kept]).keys() == {NAME}
    assert row(other) == row(one)
    assert configuration().load([]) == {}


def test_a_record_that_cannot_be_read_is_told_and_the_map_holds(caplog):
    assert configuration().load([Document(SPACE, "gw", b"x")]) == {}
    assert "cannot be used any more" in caplog.text
