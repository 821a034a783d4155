"""Names that the server makes: the same from the same words, others from others, and they end in the PEN."""

from __future__ import annotations

from gridiface.northbound.sep2.served.identities import derived_lfdi, mrid, sfdi


def test_names_follow_from_what_they_name_and_end_in_the_enterprise_number() -> None:
    lfdi, name = derived_lfdi("site", "device", "a", 40732), mrid("site", "derp", "a", 40732)
    assert (lfdi, name) == (derived_lfdi("site", "device", "a", 40732), mrid("site", "derp", "a", 40732))
    assert (len(lfdi), len(name)) == (40, 32)
    assert lfdi.endswith("00009F1C")
    assert name.endswith("00009F1C")
    assert int(lfdi, 16) >= 0
    assert lfdi == lfdi.upper()


def test_words_that_only_join_alike_name_different_things() -> None:
    assert mrid("a", "b", "cd", 1) != mrid("a", "bc", "d", 1)
    assert len({mrid(site, "derp", "1", 1) for site in ("a", "b", "c")}) == 3


def test_an_sfdi_is_the_first_36_bits_with_a_check_digit() -> None:
    # IEEE 2030.5-2018, 6.3.3: the example of the standard.
    found = sfdi("3E4F45AB31EDFE5B67E343E5E4562E31984E23E5")
    assert found == 167261211391
    assert sum(int(digit) for digit in str(found)) % 10 == 0
