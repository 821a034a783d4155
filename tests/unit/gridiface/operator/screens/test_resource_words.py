"""A 2030.5 resource as lines for people."""

from __future__ import annotations

from gridiface.operator.screens.resource_words import Line, base_text, lines_of


def test_links_times_and_codes_are_told_apart() -> None:
    resource = {
        "type": "DERControl",
        "href": "/derp/1/derc/1",
        "DERProgramListLink": {"href": "/derp", "all": 12},
        "TimeLink": {"href": "/tm"},
        "enabled": True,
        "EventStatus": {"currentStatus": 1, "dateTime": 1_795_905_720},
        "modes": [{"value": 1}, {"value": 2}],
        "members": [{"href": "/x"}],
    }
    assert lines_of(resource) == [
        Line(0, "href", "/derp/1/derc/1", "/derp/1/derc/1"),
        Line(0, "DERProgramListLink", "/derp (12)", "/derp"),
        Line(0, "TimeLink", "/tm", "/tm"),
        Line(0, "enabled", "true"),
        Line(0, "EventStatus"),
        Line(1, "currentStatus", "1 active"),
        Line(1, "dateTime", "1795905720", at=1_795_905_720.0),
        Line(0, "modes"),
        Line(1, "value", "1"),
        Line(0, "modes"),
        Line(1, "value", "2"),
    ]


def test_a_very_long_or_deep_one_is_cut() -> None:
    assert lines_of({f"e{n}": n for n in range(1000)})[-1] == Line(0, "…", "cut here")
    deep: dict[str, object] = {}
    for _ in range(50):
        deep = {"in": deep}
    assert max(line.depth for line in lines_of(deep)) <= 9


def test_what_a_control_asks_for_in_one_line() -> None:
    base = {"opModTargetW": {"multiplier": 3, "value": 5}, "opModConnect": True, "opModVoltVar": {"href": "/dc/1"}}
    assert base_text(base) == "opModTargetW 5000, opModConnect true, opModVoltVar /dc/1"
    assert base_text({"opModFixedVar": {"refType": 1, "value": 20}}) == "opModFixedVar (refType 1, value 20)"
    assert base_text({}) == "nothing"
