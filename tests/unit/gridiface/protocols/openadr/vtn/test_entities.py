"""What records say of themselves."""

from __future__ import annotations

from gridiface.protocols.openadr.vtn.entities import Ven


def test_a_ven_is_registered_by_its_id_and_one_of_profile_a_out_of_band() -> None:
    assert not Ven(venID="V").registered
    assert Ven(venID="V", registrationID="R").registered
    assert Ven(venID="V", profile="2.0a").registered
