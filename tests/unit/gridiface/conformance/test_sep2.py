"""Links, members and times of a 2030.5 session over documents that are given; the wire is the loopback test's."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from gridiface.conformance.http_wire import Answer
from gridiface.conformance.runner import Failed, Inconclusive
from gridiface.conformance.sep2 import Sep2Session, Sep2Target
from gridiface.errors import ConfigError
from gridiface.pki.folder import TestPki, write_credential

LIST = b"""<L xmlns="urn:ieee:std:2030.5:ns"><EndDevice href="/edev/1"><lFDI>AA</lFDI></EndDevice>
<EndDevice href="https://h/edev/2?x=1"><lFDI>BB</lFDI><DERListLink href="/edev/2/der" all="0"/></EndDevice></L>"""


@pytest.fixture
def session(tmp_path):
    authority = TestPki.create(depth=2, now=time.time())
    authority.save(tmp_path, force=True)
    write_credential(tmp_path, "dev", authority.issue("device", "dev", now=time.time(), hosts=()), force=True)
    target = Sep2Target(
        url="https://h.test:8443/dcap",
        certificate=tmp_path / "dev.pem",
        key=tmp_path / "dev.key",
        roots=tmp_path / "serca.pem",
    )
    made = Sep2Session(target)
    made.documents["list"] = etree.fromstring(LIST)
    return made


def test_who_we_are_follows_from_the_certificate(session):
    assert len(session.names["lfdi"]) == 40
    assert session.names["sfdi"].isdigit()
    assert session.names["dcap"] == "/dcap"


def test_members_are_picked_by_what_they_hold(session):
    session.pick({"of": "list", "member": "EndDevice", "where": {"lFDI": "bb"}, "as": "me"})
    assert session.names["me.href"] == "/edev/2?x=1"
    with pytest.raises(Inconclusive, match="no EndDevice with lFDI CC"):
        session.pick({"of": "list", "member": "EndDevice", "where": {"lFDI": "CC"}, "as": "me"})


def test_links_are_followed_and_must_name_themselves(session):
    answers = {"/edev/2/der?l=1": b"<DERList href='/edev/2/der'/>", "/edev/2/der": b"<DERList href='/other'/>"}
    session.wire.exchange = lambda octets, _: Answer(200, {}, answers[octets.split(b" ")[1].decode()])
    session.pick({"of": "list", "member": "EndDevice", "where": {"lFDI": "BB"}, "as": "me"})
    session.follow({"from": "me", "link": "DERListLink", "query": "l=1", "as": "ders"})
    assert session.names["href"] == "/edev/2/der"
    with pytest.raises(Failed, match="says that it is /other"):
        session.every_link({"of": "me"})
    with pytest.raises(Inconclusive, match="no TimeLink"):
        session.follow({"from": "me", "link": "TimeLink"})


def test_times_near_ours(session):
    session.documents["tm"] = etree.fromstring(f"<Time><currentTime>{int(time.time())}</currentTime></Time>")
    session.near_now({"of": "tm", "place": "currentTime", "within": 30})
    session.documents["tm"] = etree.fromstring("<Time><currentTime>5</currentTime></Time>")
    with pytest.raises(Failed, match="from our clock"):
        session.near_now({"of": "tm", "place": "currentTime", "within": 30})


def test_what_is_asked_again_is_asked_until_it_is_so(session):
    answers = [Answer(404, {}, b""), Answer(200, {}, b"")]
    session.wire.exchange = lambda *_: answers.pop(0)
    session.wait({"for": {"at": "/x", "expect": {"status": 200}}, "within": 20})
    assert answers == []
    session.wire.exchange = lambda *_: Answer(404, {}, b"")
    with pytest.raises(Failed):
        session.wait({"for": {"at": "/x", "expect": {"status": 200}}, "within": 0})


def test_targets_that_cannot_be_used(tmp_path):
    with pytest.raises(ConfigError, match="write https"):
        Sep2Session(Sep2Target(url="http://h/dcap", certificate=tmp_path, key=tmp_path, roots=tmp_path))
    with pytest.raises(ConfigError, match="no PEM"):
        Sep2Session(Sep2Target(url="https://h/dcap", certificate=tmp_path, key=tmp_path, roots=tmp_path))
