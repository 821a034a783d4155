"""Every row of the subset tables is asked of an outstation, and none is refused."""

import pytest

from gridiface.protocols.dnp3.application import FunctionCode, Qualifier
from gridiface.protocols.dnp3.objects import TABLE, find
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings
from gridiface.protocols.dnp3.outstation.subsets import ROWS, SubsetRow, rows

FULL = [row for row in ROWS if row.variations]
BARE = [row for row in ROWS if not row.variations]
DATA = {
    FunctionCode.WRITE,
    FunctionCode.SELECT,
    FunctionCode.OPERATE,
    FunctionCode.DIRECT_OPERATE,
    FunctionCode.DIRECT_OPERATE_NR,
}
RANGE = {
    Qualifier.RANGE8: bytes((1, 2)),
    Qualifier.RANGE16: bytes((1, 0, 2, 0)),
    Qualifier.ALL: b"",
    Qualifier.COUNT8: b"\x01",
    Qualifier.COUNT16: b"\x01\0",
    Qualifier.COUNT8_INDEX8: b"\x01",
    Qualifier.COUNT16_INDEX16: b"\x01\0",
}
PREFIX = {Qualifier.COUNT8_INDEX8: b"\x01", Qualifier.COUNT16_INDEX16: b"\x01\0"}


def request(row, variation, qualifier):
    field = RANGE[qualifier]
    if row.group == 0:
        field = bytes(len(field))
    if row.group == 80 and row.function == FunctionCode.WRITE:
        return bytes((row.function, 80, 1, 0, 7, 7, 0))
    body = PREFIX.get(qualifier, b"")
    if row.function in DATA:
        count = 2 if qualifier in (Qualifier.RANGE8, Qualifier.RANGE16) else 1
        value = b"\x03\x01" + bytes(9) if row.group == 12 else bytes(TABLE[row.group, variation].size)
        body = (body + value) * count
    lead = bytes((60, 2, 6)) if row.function == FunctionCode.ASSIGN_CLASS else b""
    return bytes((row.function,)) + lead + bytes((row.group, variation, qualifier)) + field + body


@pytest.fixture
def peer(build):
    made = build(unsolicited=UnsolicitedSettings(), attributes={252: "gridiface"})
    made.handler.restart_seconds = 1.0
    made.pending()
    made.silent("d0 00")
    return made


@pytest.mark.parametrize(
    "row", FULL, ids=[f"L{row.level}-{row.function.name}-g{row.group}-{number}" for number, row in enumerate(FULL)]
)
def test_row(peer, row):
    for number, (variation, qualifier) in enumerate(row.requests()):
        fragment = bytes((0xC0 | number & 15,)) + request(row, variation, qualifier)
        answers = peer.ask(fragment)
        if row.function.name.endswith("_NR"):
            assert answers == []
            answers = peer.ask(bytes((0xC0 | number & 15, 23)))
        assert answers[0][3] & 0x07 == 0, f"v{variation} q{qualifier:02x} {answers[0].hex(' ')}"
        if row.function == FunctionCode.OPERATE:
            assert answers[0][-1] == 2


@pytest.mark.parametrize("row", BARE, ids=lambda row: row.function.name)
def test_row_without_objects(peer, row):
    assert peer.ask(bytes((0xC0, row.function)))[0][3] & 0x07 == 0


def test_rows_name_variations_that_exist():
    for row in ROWS:
        for variation in row.variations:
            assert variation == 0 or find(row.group, variation) is not None


def test_levels_hold_those_below():
    assert set(rows(1)) < set(rows(2)) < set(rows(3)) < set(rows(4))
    assert not set(rows(0)) & set(rows(4))
    assert len(ROWS) == len(rows(4)) + len(rows(0))
    assert isinstance(rows(1)[0], SubsetRow)
