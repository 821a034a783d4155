from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gridiface.pki import der

arcs = st.lists(st.integers(0, 2**70), min_size=0, max_size=6)
oids = st.one_of(
    st.builds(lambda a, b, rest: ".".join(map(str, (a, b, *rest))), st.integers(0, 1), st.integers(0, 39), arcs),
    st.builds(lambda b, rest: ".".join(map(str, (2, b, *rest))), st.integers(0, 10**6), arcs),
)


@given(oids, st.binary(max_size=300))
def test_a_hardware_module_name_reads_back(hw_type: str, serial: bytes) -> None:
    assert der.read_hardware_module_name(der.hardware_module_name(hw_type, serial)) == (hw_type, serial)


def test_a_known_encoding() -> None:
    # id-on-hardwareModuleName as openssl asn1parse -genstr OID:... prints it.
    assert der.object_identifier("1.3.6.1.5.5.7.8.4").hex() == "06082b06010505070804"


def test_the_longest_identifier_that_the_library_reads_is_encoded_alike() -> None:
    policy = "2.25.216116798048741845625219987502733421347.1"
    value = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(policy), None)])
    assert der.object_identifier(policy) in value.public_bytes()


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_are_a_value_error(data: bytes) -> None:
    try:
        hw_type, serial = der.read_hardware_module_name(data)
    except ValueError:
        return
    assert serial in data
    assert hw_type.count(".") >= 1


@pytest.mark.parametrize("dotted", ["1", "3.1", "0.40", "1.-1", "x.y"])
def test_what_is_not_an_object_identifier(dotted: str) -> None:
    with pytest.raises(ValueError, match=r"object identifier|invalid literal"):
        der.object_identifier(dotted)
