import pytest

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings


@pytest.mark.parametrize("wrong", [{"master": 0xFFF0}, {"max_tx_fragment": 248}, {"max_rx_fragment": 70_000}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(LocalProtocolError):
        AssociationSettings(**({"master": 1} | wrong))


def test_reserved_addresses_are_refused():
    with pytest.raises(LocalProtocolError):
        OutstationSettings(0xFFFC)
    assert OutstationSettings(0xFFEF).address == 0xFFEF
