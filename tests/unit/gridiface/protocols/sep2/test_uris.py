"""The resource table: complete, consistent with the wire types, and found by path."""

from __future__ import annotations

import pytest

from gridiface.protocols.sep2.lists import LIST_ORDERS
from gridiface.protocols.sep2.resources import ELEMENTS
from gridiface.protocols.sep2.uris import BY_TEMPLATE, METHODS, RESOURCES, ROUTES, Need, ResourceRow, Routes


def test_every_row_names_a_wire_type_and_five_methods() -> None:
    for row in RESOURCES:
        assert row.resource in ELEMENTS
        assert len(row.methods) == len(METHODS)
        assert row.mandatory() <= row.permitted()
        if row.is_list:
            assert row.member in ELEMENTS
            assert row.resource in LIST_ORDERS


def test_templates_are_unique_and_number_their_ids_in_order() -> None:
    assert len(BY_TEMPLATE) == len(RESOURCES)
    for row in RESOURCES:
        variable = [segment for segment in row.segments if segment.startswith("{")]
        assert variable == [f"{{id{n}}}" for n in range(1, len(variable) + 1)]


def test_lists_that_take_a_have_a_time_unless_their_members_have_none() -> None:
    without = {
        "ConsumptionTariffIntervalList", "CustomerAgreementList", "ProjectionReadingList", "TargetReadingList",
        "HistoricalReadingList",
    }  # fmt: skip
    for row in RESOURCES:
        if row.after:
            assert (LIST_ORDERS[row.resource].time is None) == (row.resource in without), row.template


@pytest.mark.parametrize("row", RESOURCES, ids=lambda row: row.template)
def test_each_path_leads_to_its_row(row: ResourceRow) -> None:
    count = sum(segment.startswith("{") for segment in row.segments)
    ids = tuple(str(n) for n in range(7, 7 + count))
    for path in (row.path(*ids), row.path(*ids) + "/"):
        match = ROUTES.match(path)
        assert match is not None
        assert (match.row, match.ids) == (row, ids)


@pytest.mark.parametrize(
    "path", ["", "/", "//", "/nothing", "/edev//fsa", "/edev/1/nothing", "/dcap/1", "/derp/1/derc/2/3"]
)
def test_other_paths_lead_nowhere(path: str) -> None:
    assert ROUTES.match(path) is None


def test_the_methods_of_the_table() -> None:
    mup = BY_TEMPLATE["/mup/{id1}"]
    assert [mup.need(method) for method in METHODS] == [
        Need.OPTIONAL, Need.OPTIONAL, Need.MANDATORY, Need.MANDATORY, Need.MANDATORY,
    ]  # fmt: skip
    assert BY_TEMPLATE["/dcap"].permitted() == {"GET", "HEAD"}
    assert BY_TEMPLATE["/edev/{id1}/der/{id2}/dercap"].mandatory() == {"GET", "HEAD", "PUT"}
    with pytest.raises(ValueError, match="not in"):
        mup.need("FOO")


def test_a_path_needs_the_right_number_of_ids() -> None:
    row = BY_TEMPLATE["/derp/{id1}/derc/{id2}"]
    assert row.path("1", "2") == "/derp/1/derc/2"
    with pytest.raises(ValueError, match="more than 1"):
        row.path("1")
    with pytest.raises(ValueError, match="fewer than 3"):
        row.path("1", "2", "3")


def test_a_profile_adds_rows() -> None:
    row = ResourceRow("/edev/{id1}/cp", "Resource", "MMMOE", after=False, group="profile")
    match = Routes(extra=(row,)).match("/edev/4/cp")
    assert match is not None
    assert match.row is row
