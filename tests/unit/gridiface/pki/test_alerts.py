from __future__ import annotations

import pytest

from gridiface.pki.alerts import Alert, alert_name


@pytest.mark.parametrize(
    ("alert", "number"),
    [  # RFC 5246 section 7.2
        (Alert.HANDSHAKE_FAILURE, 40),
        (Alert.BAD_CERTIFICATE, 42),
        (Alert.UNSUPPORTED_CERTIFICATE, 43),
        (Alert.CERTIFICATE_REVOKED, 44),
        (Alert.CERTIFICATE_EXPIRED, 45),
        (Alert.CERTIFICATE_UNKNOWN, 46),
        (Alert.UNKNOWN_CA, 48),
        (Alert.ACCESS_DENIED, 49),
    ],
)
def test_numbers_are_those_of_the_standard(alert: Alert, number: int) -> None:
    assert alert == number
    assert alert_name(number) == alert.name.lower()


def test_an_unknown_number_is_told_as_a_number() -> None:
    assert alert_name(255) == "alert 255"
