"""setES* of DefaultDERControl and the domain's settings for entering service."""

from __future__ import annotations

from gridiface.domain.controls import ENTER_SERVICE_MODES, ControlMode, ModeValue
from gridiface.northbound.sep2.translate.entering import ELEMENTS, entering_elements, entering_values
from gridiface.protocols.sep2.resources import DefaultDERControl, DERControlBase


def test_each_setting_has_its_element_in_hundredths_and_comes_back() -> None:
    assert ELEMENTS.keys() == ENTER_SERVICE_MODES
    values = {mode: ModeValue(number + 0.25) for number, mode in enumerate(sorted(ENTER_SERVICE_MODES))}
    elements = entering_elements(values)
    default = DefaultDERControl(mRID="1", derControlBase=DERControlBase(), **elements)
    assert default.setESDelay == 25
    assert entering_values(default) == values


def test_what_a_type_cannot_hold_is_its_most_and_other_modes_are_left_out() -> None:
    told = {ControlMode.ENTER_V_HIGH: ModeValue(500.0), ControlMode.SET_W: ModeValue(1.0)}
    assert entering_elements(told) == {"setESHighVolt": 32_767}
