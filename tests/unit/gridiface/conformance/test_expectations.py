"""Each expectation holds where it should and fails where it must: a check that cannot fail is none."""

from __future__ import annotations

import pytest
from lxml import etree

from gridiface.conformance.expectations import NAMES, at, check, parsed, schema_validator
from gridiface.conformance.http_wire import Answer
from gridiface.conformance.runner import Failed
from gridiface.errors import ConfigError

BODY = b'<L xmlns="urn:x" all="3" results="2"><m k="1"><n>5</n></m><m k="2"><n>7</n></m></L>'
HEADERS = {"content-type": "application/sep+xml; level=-S1", "content-length": str(len(BODY)), "allow": "GET, HEAD"}
GOOD = Answer(200, HEADERS, BODY)

CASES = [
    ({"status": 200}, {"status": [404, 405]}),
    ({"headers": {"Content-Type": "application/sep+xml"}}, {"headers": {"Content-Type": "text/xml"}}),
    ({"headers": {"Allow": None}}, {"headers": {"Location": None}}),
    ({"allow": ["HEAD", "GET"]}, {"allow": ["GET"]}),
    ({"length": True}, None),
    ({"empty": False}, {"empty": True}),
    ({"root": "L"}, {"root": ["M", "N"]}),
    ({"values": {"./@all": 3, "m/n": ["5", "6"]}}, {"values": {"m/n": 7}}),
    ({"values": {"//n": "5"}}, {"values": {"//o": "5"}}),
    ({"count": {"m": 2, "//n": 2}}, {"count": {"m": 1}}),
    ({"at_least": {"m": 2, "./@all": 3}}, {"at_least": {"./@all": 4}}),
    ({"has": ["m", "m/@k"]}, {"has": ["x"]}),
    ({"lacks": ["x"]}, {"lacks": ["m"]}),
    ({"order": {"m/n": "ascending"}}, {"order": {"m/n": "descending"}}),
]


@pytest.mark.parametrize(("good", "bad"), CASES)
def test_each_holds_and_fails(good, bad):
    check(GOOD, good)
    if bad is not None:
        with pytest.raises(Failed):
            check(GOOD, bad)


def test_every_expectation_is_tried_here():
    assert {name for good, _ in CASES for name in good} | {"valid"} == NAMES


def test_a_wrong_length_and_a_body_that_is_not_valid():
    with pytest.raises(Failed, match="Content-Length"):
        check(Answer(200, {"content-length": "1"}, BODY), {"length": True})
    check(GOOD, {"valid": True}, lambda _: "")
    check(GOOD, {"valid": True}, None)
    with pytest.raises(Failed, match="no place"):
        check(GOOD, {"valid": True}, lambda _: "no place")


def test_bodies_that_are_no_documents():
    with pytest.raises(Failed, match="no XML"):
        parsed(b"<a")
    with pytest.raises(Failed, match="DOCTYPE"):
        parsed(b"<!DOCTYPE a><a/>")
    assert at(parsed(b"<a><b> x </b></a>"), "b") == ["x"]


def test_a_schema_says_what_is_wrong(tmp_path):
    (tmp_path / "a.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="xs:int"/></xs:schema>'
    )
    validate = schema_validator(tmp_path / "a.xsd")
    assert validate(etree.fromstring("<a>1</a>")) == ""
    assert "not a valid" in validate(etree.fromstring("<a>x</a>"))
    with pytest.raises(ConfigError, match="no XML schema"):
        schema_validator(tmp_path / "nothing.xsd")
