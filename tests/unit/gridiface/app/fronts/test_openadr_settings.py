"""The configuration as settings of the adapters."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gridiface.app.config.openadr import OpenAdr
from gridiface.app.fronts.openadr_settings import ven_settings, vtn_settings
from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import ConfigError
from gridiface.northbound.openadr.translate.events import Level
from gridiface.northbound.openadr.translate.fleet import SIMPLE


def test_a_ven_of_the_configuration() -> None:
    steps = [{"above": 0.3, "shed": 0.5}, {"above": 0.6, "watts": 100.0, "signal": "ENERGY_PRICE"}]
    program = {"market_context": "http://p/", "group": "fleet", "dispatch": {1: 500.0}, "simple": [0.0, 1.0]}
    program |= {"prices": steps, "setpoint_w": 1000.0}
    resource = {"id": "site", "device": "b1", "usage": ["W", "V"]}
    ven = {"name": "utility", "url": "http://vtn/", "programs": [program], "resources": [resource]}
    ven["register_again_s"] = 600.0
    ven["calendars"] = [{"device": "b1", "days": ["sun"]}, {"start": "22:00"}]
    settings = ven_settings(OpenAdr.model_validate({"vens": [ven]}).vens[0])
    made = settings.programs["http://p/"]
    assert made.target == Target(TargetKind.GROUP, "fleet")
    assert made.resources == {"site": Target(TargetKind.DEVICE, "b1")}
    assert made.dispatch == {1: Level(watts=500.0)}
    assert made.simple == {0: Level(fraction=0.0), 1: Level(fraction=1.0)}
    assert [(step.signal, step.above, step.level) for step in made.prices] == [
        ("ELECTRICITY_PRICE", 0.3, Level(fraction=0.5)),
        ("ENERGY_PRICE", 0.6, Level(watts=100.0)),
    ]
    assert made.setpoint_scale == 1000.0
    assert (settings.core.name, settings.core.register_again) == ("utility", 600.0)
    assert (settings.context, settings.signing, settings.push) == (None, None, None)
    assert settings.resources[0].usage == ("W", "V")
    # A device's calendar is that of the resources which are this device.
    assert [calendar.resources for calendar in settings.calendars] == [("site",), ()]


def test_a_vtn_of_the_configuration() -> None:
    member = {"device": "site-a", "signals": ["simple"], "baseline_w": 2000.0, "levels": [0.0, 0.5]}
    member |= {"offsets": {2: 0.7}, "setpoint_w": 10.0, "capacity_wh": 5.0, "max_var": 3.0}
    block = {"listen": "127.0.0.1:0", "vens": [{"ven_id": "A", "members": [member]}]}
    vtn = OpenAdr.model_validate({"vtn": block}).vtn
    assert vtn is not None
    settings = vtn_settings(vtn)
    assert settings.vens[0].members[0].signals == {SIMPLE}
    made = settings.vens[0].members[0]
    assert made.levels == {0: 0.0, 1: 0.5}
    assert (made.offsets, made.setpoint_scale, made.capacity_wh, made.max_var) == ({2: 0.7}, 10.0, 5.0, 3.0)
    assert [wish.name for wish in settings.core.wishes] == ["TELEMETRY_USAGE", "TELEMETRY_STATUS", "x-TELEMETRY_OTHER"]
    assert settings.listen.tls is None


@pytest.mark.parametrize("step", [{"above": 1.0}, {"above": 1.0, "shed": 0.1, "watts": 2.0}])
def test_a_price_step_says_one_thing(step: dict[str, float]) -> None:
    program = {"group": "fleet", "prices": [step]}
    with pytest.raises(ValidationError, match="exactly one"):
        OpenAdr.model_validate({"vens": [{"name": "u", "url": "http://v/", "programs": [program]}]})


def test_a_key_that_cannot_sign_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    tls = {"certificate": tmp_path / "a.pem", "key": tmp_path / "a.key", "roots": [tmp_path / "r.pem"]}
    ven = {
        "name": "utility",
        "url": "https://vtn/",
        "programs": [{"group": "fleet"}],
        "tls": tls,
        "signatures": "00:11:22:33:44:55:66:77:88:99",
    }
    with pytest.raises(ConfigError, match="signed"):
        ven_settings(OpenAdr.model_validate({"vens": [ven]}).vens[0])


def test_a_ven_over_xmpp_tells_its_jid_as_its_address(tmp_path: Path) -> None:
    tls = {"certificate": tmp_path / "a.pem", "key": tmp_path / "a.key", "roots": [tmp_path / "r.pem"]}
    login = {"jid": "ven@x.test/client", "server": "[::1]:5222", "tls": tls, "directory": "vtn@x.test/gridiface"}
    ven = {"name": "utility", "programs": [{"group": "fleet"}], "xmpp": login}
    settings = ven_settings(OpenAdr.model_validate({"vens": [ven]}).vens[0])
    assert (settings.core.transport, settings.core.push_address) == ("xmpp", "ven@x.test/client")
    assert settings.xmpp is not None
    assert (settings.xmpp.host, settings.xmpp.port, settings.xmpp.secret) == ("::1", 5222, "")
    assert settings.xmpp.directory == "vtn@x.test/gridiface"


def test_a_vtn_at_an_xmpp_server_offers_both_transports(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("between us\n")
    component = {"domain": "vtn.x.test", "server": "127.0.0.1:5347", "secret_file": secret}
    block = {"xmpp": {"component": component}, "vens": [{"ven_id": "A", "jid": "Ven@X.test"}]}
    vtn = OpenAdr.model_validate({"vtn": block}).vtn
    assert vtn is not None
    settings = vtn_settings(vtn)
    assert settings.core.profiles["2.0b"] == ("simpleHttp", "xmpp")
    assert settings.vens[0].jid == "ven@x.test"
    assert settings.xmpp is not None
    assert (settings.xmpp.component, settings.xmpp.secret) == (True, "between us")
    secret.write_text("\n")
    with pytest.raises(ConfigError, match="no secret"):
        vtn_settings(vtn)
