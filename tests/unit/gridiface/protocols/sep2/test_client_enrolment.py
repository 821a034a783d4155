"""Registration: the PIN, and what is posted where a server takes registrations in band."""

from __future__ import annotations

from gridiface.protocols.sep2.client_enrolment import Enrolment
from gridiface.protocols.sep2.resources import EndDevice, Registration

OWN, ONE, TWO = "A" * 40, "B" * 40, "C" * 40


def registration(pin: int) -> Registration:
    return Registration(dateTimeRegistered=1, pIN=pin)


def listed(*lfdis: str) -> list[EndDevice]:
    return [EndDevice(lFDI=lfdi, sFDI=1, changedTime=1) for lfdi in lfdis]


def test_nothing_is_trusted_before_the_pin_was_found_right() -> None:
    found = Enrolment(OWN, 1, pin=111115)
    assert not found.trusted
    assert found.check(registration(111115)) is True
    assert found.trusted
    assert found.check(registration(111116)) is False
    assert (found.trusted, found.refused) == (False, True)


def test_without_a_pin_nothing_is_compared() -> None:
    found = Enrolment(OWN, 1)
    assert found.trusted
    assert found.check(registration(5)) is None
    assert found.trusted


def test_the_client_registers_itself_before_its_devices_and_each_once() -> None:
    found = Enrolment(OWN, 7, sfdis={ONE: 11, TWO: 12}, categories={ONE: 32}, posting=True)
    assert found.missing(listed(), 100.9) == [EndDevice(lFDI=OWN, sFDI=7, changedTime=100)]
    assert found.missing(listed(), 101) == []
    posted = found.missing(listed(OWN, TWO), 102)
    assert posted == [EndDevice(lFDI=ONE, sFDI=11, deviceCategory=32, changedTime=102)]
    assert found.missing(listed(OWN, TWO), 103) == []
    found.again()
    assert [device.lFDI for device in found.missing(listed(OWN, TWO), 104)] == [ONE]


def test_a_client_that_does_not_register_posts_nothing() -> None:
    assert Enrolment(OWN, 7, sfdis={ONE: 11}).missing(listed(), 1) == []
