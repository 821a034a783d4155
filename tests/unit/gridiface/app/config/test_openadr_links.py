"""What the blocks of OpenADR's links take and refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gridiface.app.config.openadr_links import OpenAdrTls, OpenAdrXmppComponent, OpenAdrXmppVtn

COMPONENT = {"domain": "vtn.x.test", "server": "127.0.0.1:5347", "secret_file": "secret"}
TLS = {"certificate": "a.pem", "key": "a.key", "roots": ["root.pem"]}
LOGIN = {"jid": "ven@x.test/client", "server": "x.test:5222", "tls": TLS}


@pytest.mark.parametrize("server", ["127.0.0.1:5347", "localhost:5347", "[::1]:5347"])
def test_a_component_is_on_this_machine(server: str) -> None:
    assert OpenAdrXmppComponent.model_validate({**COMPONENT, "server": server}).server == server
    with pytest.raises(ValidationError, match="not encrypted"):
        OpenAdrXmppComponent.model_validate({**COMPONENT, "server": "192.0.2.1:5347"})


@pytest.mark.parametrize("ways", [{}, {"component": COMPONENT, "login": LOGIN}], ids=["none", "both"])
def test_a_vtn_has_one_way_to_its_xmpp_server(ways: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one of `component` and `login`"):
        OpenAdrXmppVtn.model_validate(ways)
    assert OpenAdrXmppVtn.model_validate({"login": LOGIN}).component is None


def test_trust_names_a_root() -> None:
    assert not OpenAdrTls.model_validate(TLS).wide
    with pytest.raises(ValidationError, match="roots"):
        OpenAdrTls.model_validate({**TLS, "roots": []})
