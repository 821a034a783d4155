"""What is written into the configuration of OpenADR, and what is said of what cannot be meant."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gridiface.app.config.base import Block
from gridiface.app.config.openadr_words import Address, BareJid, Fingerprint, Jid, Place
from gridiface.domain.definitions import Identifier as Name


class Written(Block):
    """One of each."""

    name: Name = "ven-1"
    place: Place = "[::1]:8444"
    fingerprint: Fingerprint = "AA:BB:CC:DD:EE:FF:00:11:22:33"
    address: Address = "https://vtn.example"
    jid: Jid = "ven@x.example/client"
    bare: BareJid = "ven@x.example"


def test_small_letters_of_a_fingerprint_and_capitals_of_a_jid_do_not_matter() -> None:
    found = Written(fingerprint=" aa:bb:cc:dd:ee:ff:00:11:22:33 ", bare="VEN@X.example")
    assert (found.fingerprint, found.bare) == ("AA:BB:CC:DD:EE:FF:00:11:22:33", "ven@x.example")


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"name": "-x"}, "1 to 64"),
        ({"place": "8444"}, "HOST:PORT"),
        ({"place": "h:70000"}, "HOST:PORT"),
        ({"fingerprint": "AA:BB"}, "ten octets"),
        ({"address": "vtn.example"}, "http://"),
        ({"jid": "ven@x.example"}, "user@domain/resource"),
        ({"bare": "ven@x.example/client"}, "user@domain"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_said_in_words(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Written.model_validate(wrong)
