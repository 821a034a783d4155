"""The block `operator`: nothing secret goes over a network in the clear unless somebody says so."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gridiface.app.config.operator import Operator


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:80", "grid.example.org:80"])
def test_plain_http_beyond_this_machine_has_to_be_asked_for(listen: str) -> None:
    with pytest.raises(ValidationError, match="plain: true"):
        Operator.model_validate({"listen": listen})
    assert Operator.model_validate({"listen": listen, "plain": True}).plain
    assert Operator.model_validate({"listen": listen, "tls": {"certificate": "c.pem", "key": "k.pem"}}).tls


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:80", "localhost:80"])
def test_loopback_may_be_plain(listen: str) -> None:
    assert Operator.model_validate({"listen": listen}).tls is None


def test_range_of_authority() -> None:
    with pytest.raises(ValidationError, match="authority_min"):
        Operator.model_validate({"authority_min": 2, "authority_max": 1})


def test_a_session_cannot_idle_for_longer_than_it_lasts() -> None:
    with pytest.raises(ValidationError, match="idle_s 3600 is above longest_s 1800"):
        Operator.model_validate({"sessions": {"idle_s": 3600, "longest_s": 1800}})
    assert Operator.model_validate({"sessions": {"longest_s": 600}}).sessions.longest_s == 600
    assert Operator.model_validate({"sessions": {"idle_s": 600, "longest_s": 600}}).sessions.idle_s == 600
