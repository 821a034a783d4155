import pytest

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.master.settings import MasterSettings


def test_addresses_are_individual_ones():
    for addresses in ((0xFFFC, 1), (1, 0xFFFF), (-1, 1)):
        with pytest.raises(LocalProtocolError):
            MasterSettings(*addresses)
    assert MasterSettings(1, 10).enable_classes == (1, 2, 3)
