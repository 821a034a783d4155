"""The codec on a vocabulary of its own that uses every construct, and against hostile input."""

from __future__ import annotations

import dataclasses
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.xmlwire import (
    BAD_FORMAT,
    BAD_VALUES,
    Limits,
    Vocabulary,
    WireObject,
    advised_problems,
    attribute,
    content,
    decode,
    decode_element,
    element,
    encode,
    encode_list,
    encode_member,
    parse,
    spec_of,
    wire,
)
from gridiface.protocols.xmlwire.primitives import (
    ANY_URI,
    BOOLEAN,
    DECIMAL,
    FLOAT,
    RAW_XML,
    STRING,
    TOKEN,
    UINT32,
    Primitive,
    enumeration,
    hex_bits,
    hex_text,
    integer,
    list_of,
    string,
)
from gridiface.protocols.xmlwire.samples import sample

NS, OTHER = "urn:test", "urn:other"
TEST = Vocabulary(default=NS, prefixes={OTHER: "o"})
ROOTED = Vocabulary(default="urn:rooted", prefixes={OTHER: "o"}, declare_at_root=True)
UINT8 = integer("UInt8", 0, 255)


@wire(TEST)
class Base(WireObject):
    href: str | None = attribute(ANY_URI, default=None)


@wire(TEST, abstract=True)
class Item(WireObject):
    pass


@wire(TEST, element="watt")
class Watt(Item):
    scale: int = element(UINT8)


@wire(TEST, ns=OTHER, element="volt")
class Volt(Item):
    pass


@wire(TEST)
class Priced(WireObject):
    amount: float = content(DECIMAL)
    currency: str = attribute(STRING)


@wire(TEST)
class Small(Base):
    number: int = element(UINT8)


@wire(TEST)
class Bigger(Small):
    extra: str | None = element(STRING, default=None)


@wire(TEST)
class Thing(Base):
    text: str = element(STRING)
    flag: bool | None = element(BOOLEAN, default=None)
    small: Small | None = element(Small, "Small", default=None)
    when: str | None = element(TOKEN, default=None, inside="date")
    item: Watt | Volt | None = element([Watt, Volt], default=None)
    left: int | None = element(UINT8, default=None, choice="side")
    right: str | None = element(STRING, default=None, choice="side")
    price: Priced | None = element(Priced, default=None)
    foreign: int | None = element(UINT8, "far", default=None, ns=OTHER)
    parts: list[int] = element(UINT8, "part", default_factory=list, at_least=1, at_most=3)


@wire(TEST)
class Things(Base):
    all: int = attribute(UINT32)
    members: list[Small] = element(Small, "Small", default_factory=list)


@wire(ROOTED, element=None)
class Nil(WireObject):
    pass


@wire(ROOTED, one_of=("kind",), empty_is_absent=True)
class Rooted(WireObject):
    a: int | None = element(UINT8, default=None, choice="kind")
    b: int | None = element(UINT8, default=None, choice="kind", ns=OTHER)
    note: str | None = element(STRING, default=None)
    count: int | None = element(UINT8, default=None)


@wire(ROOTED, element=None)
class Nameless(WireObject):
    text: str = element(STRING)


@wire(ROOTED)
class Extended(WireObject):
    things: Nameless = element(Nameless)
    empty: Nil | None = element(Nil, default=None, nillable=True)
    signature: bytes | None = element(RAW_XML, "Signature", default=None, ns=OTHER)
    code: str | None = attribute(STRING, default=None, ns=OTHER)


FULL = Thing(
    href="/a?x=1&y=2",
    text='a<b & "c" 漢\r\n',
    flag=True,
    small=Small(number=1),
    when="2026",
    item=Watt(scale=3),
    left=7,
    price=Priced(amount=1.5, currency='A&"B'),
    foreign=9,
    parts=[1, 2, 3],
)
HEAD = f'<Thing xmlns="{NS}" xmlns:o="{OTHER}" xmlns:x="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def thing(body: str, attributes: str = "") -> bytes:
    return f"{HEAD}{attributes}>{body}</Thing>".encode()


# writing


def test_the_written_form_is_exact() -> None:
    assert encode(FULL) == (
        b'<Thing xmlns="urn:test" href="/a?x=1&amp;y=2"><text>a&lt;b &amp; "c" \xe6\xbc\xa2&#13;\n</text>'
        b"<flag>true</flag>"
        b"<Small><number>1</number></Small><when><date>2026</date></when><watt><scale>3</scale></watt><left>7</left>"
        b'<price currency="A&amp;&quot;B">1.5</price><o:far xmlns:o="urn:other">9</o:far>'
        b"<part>1</part><part>2</part><part>3</part></Thing>"
    )


def test_what_is_written_reads_back_equal() -> None:
    assert decode(encode(FULL), Thing) == FULL


def test_a_subtype_is_written_and_read_with_xsi_type() -> None:
    subtype = dataclasses.replace(FULL, small=Bigger(number=2, extra="more"))
    assert b'xsi:type="Bigger"' in encode(subtype)
    assert decode(encode(subtype), Thing) == subtype


def test_a_substitution_is_written_by_its_own_element() -> None:
    other = dataclasses.replace(FULL, item=Volt())
    assert b'<o:volt xmlns:o="urn:other"/>' in encode(other)
    assert decode(encode(other), Thing) == other


def test_lists_are_put_together_from_member_bytes() -> None:
    members = [Small(number=1, href="/1"), Bigger(number=2)]
    whole = Things(all=2, href="/s", members=members)
    fragments = [encode_member(m, owner=Things) for m in members]
    assert encode_list(Things(all=2, href="/s"), fragments) == encode(whole)
    assert encode_list(Things(all=0), []) == encode(Things(all=0)) == b'<Things xmlns="urn:test" all="0"/>'
    assert encode_member(members[0]) == fragments[0] == b'<Small href="/1"><number>1</number></Small>'


def test_prefixes_can_be_declared_at_the_root() -> None:
    document = encode(Rooted(b=1))
    assert document.startswith(b'<Rooted xmlns="urn:rooted" xmlns:o="urn:other" xmlns:xsi=')
    assert b"<o:b>1</o:b>" in document
    assert decode(document, Rooted) == Rooted(b=1)


def test_raw_xml_nil_and_qualified_attributes_round_trip() -> None:
    value = Extended(
        things=Nameless(text="t"),
        empty=Nil(),
        signature=b'<o:Signature xmlns:o="urn:other"><z/></o:Signature>',
        code="c",
    )
    read = decode(encode(value), Extended)
    assert (read.things, read.empty, read.code) == (value.things, value.empty, value.code)
    assert b"<z/>" in (read.signature or b"")
    nil = b'<empty xsi:nil="true"/>'
    assert decode(encode(value).replace(b"<empty/>", nil), Extended).empty == Nil()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (dataclasses.replace(FULL, parts=[]), "parts has 0"),
        (dataclasses.replace(FULL, parts=[1] * 4), "parts has 4"),
        (dataclasses.replace(FULL, left=256), "left"),
        (dataclasses.replace(FULL, left=1.5), "left"),
        (dataclasses.replace(FULL, text=None), "text is missing"),
        (dataclasses.replace(FULL, text="\x00"), "text"),
        (dataclasses.replace(FULL, flag=1), "flag"),
        (dataclasses.replace(FULL, right="both"), "choice side"),
        (dataclasses.replace(FULL, small=Small(number=-1)), "small.number"),
        (dataclasses.replace(FULL, small=Volt()), "Volt"),
        (dataclasses.replace(FULL, item=Small(number=1)), "Small"),
        (dataclasses.replace(FULL, href=5), "href"),
        (Rooted(), "choice kind"),
        (Nameless(text="x"), "no element of its own"),
        (Things(all=None), "all is missing"),
    ],
)
def test_an_invalid_object_is_never_written(bad: WireObject, reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=reason):
        encode(bad)


def test_list_helpers_refuse_what_is_not_an_empty_list() -> None:
    with pytest.raises(LocalProtocolError, match="members of its own"):
        encode_list(Things(all=1, members=[Small(number=1)]), [])
    with pytest.raises(LocalProtocolError, match="not a list"):
        encode_list(FULL, [])
    with pytest.raises(LocalProtocolError, match="not a Small"):
        encode_member(Watt(scale=1), owner=Things)
    with pytest.raises(LocalProtocolError, match="not a wire type"):
        encode(WireObject())


def test_numbers_of_enums_and_booleans_are_written_as_numbers() -> None:
    assert encode(Small(number=True)) == b'<Small xmlns="urn:test"><number>1</number></Small>'


# strict reading

GOOD = "<text>t</text><part>1</part>"


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        (GOOD, ""),
        ("<text/><part>1</part>", ""),
        ("<text> keeps its space </text><flag> 1 </flag><part>\n+7\t</part>", ""),
        ("<x:a><x:b/></x:a><text>t</text><x:c/><part>1</part><x:d>words</x:d>", ""),
        (GOOD, ' x:other="1" xsi:schemaLocation="a b" href=" /a "'),
        ("<text>t<!-- c -->t<?pi?></text><!-- c --><part>1</part><?pi?>", ""),
        ('<text xsi:type="string">t</text><part>1</part>', ""),
        ("<text><![CDATA[<t>]]></text><part>007</part>", ""),
        ('<text>t</text><Small xsi:type="Bigger"><number>1</number><extra/></Small><part>1</part>', ""),
        ("<text>t</text><when><x:y/><date>d</date></when><o:volt/><right>r</right><part>1</part>", ""),
    ],
)
def test_what_the_declaration_allows_is_read(body: str, attributes: str) -> None:
    assert decode(thing(body, attributes), Thing).parts[0] in {1, 7}


@pytest.mark.parametrize(
    ("body", "attributes", "detail"),
    [
        ("", "", BAD_FORMAT),
        ("<text>t</text>", "", BAD_FORMAT),
        ("<part>1</part>", "", BAD_FORMAT),
        ("<part>1</part><text>t</text>", "", BAD_FORMAT),
        ("<text>t</text><text>t</text><part>1</part>", "", BAD_FORMAT),
        ("<text>t</text>" + "<part>1</part>" * 4, "", BAD_FORMAT),
        ("<text>t</text><new/><part>1</part>", "", BAD_FORMAT),
        ('<text>t</text><new xmlns=""/><part>1</part>', "", BAD_FORMAT),
        ("<text>t</text><o:new/><part>1</part>", "", BAD_FORMAT),
        ("<text>t<x:y/></text><part>1</part>", "", BAD_FORMAT),
        ("<text>t</text>words<part>1</part>", "", BAD_FORMAT),
        ("words" + GOOD, "", BAD_FORMAT),
        (GOOD, ' new="1"', BAD_FORMAT),
        ('<text lang="en">t</text><part>1</part>', "", BAD_FORMAT),
        ('<text xsi:nil="true"/><part>1</part>', "", BAD_FORMAT),
        ('<text xsi:type="int">t</text><part>1</part>', "", BAD_FORMAT),
        ("<text>t</text><flag>yes</flag><part>1</part>", "", BAD_VALUES),
        ("<text>t</text><flag/><part>1</part>", "", BAD_VALUES),
        ("<text>t</text><part>256</part>", "", BAD_VALUES),
        ("<text>t</text><part>-1</part>", "", BAD_VALUES),
        ("<text>t</text><part>1.0</part>", "", BAD_VALUES),
        ("<text>t</text><part>1_0</part>", "", BAD_VALUES),
        ("<text>t</text><part>\u0661</part>", "", BAD_VALUES),
        ("<text>t</text><part>" + "9" * 9999 + "</part>", "", BAD_VALUES),
        ("<text>t</text><left>1</left><right>r</right><part>1</part>", "", BAD_FORMAT),
        ("<text>t</text><watt><scale>1</scale></watt><o:volt/><part>1</part>", "", BAD_FORMAT),
        ("<text>t</text><Item/><part>1</part>", "", BAD_FORMAT),
        ("<text>t</text><Small/><part>1</part>", "", BAD_FORMAT),
        ('<text>t</text><Small xsi:type="Thing"><number>1</number></Small><part>1</part>', "", BAD_FORMAT),
        ('<text>t</text><Small xsi:type="No"><number>1</number></Small><part>1</part>', "", BAD_FORMAT),
        ('<text>t</text><Small xsi:type="q:Bigger"><number>1</number></Small><part>1</part>', "", BAD_FORMAT),
        ('<text>t</text><Small xsi:nil="1"><number>1</number></Small><part>1</part>', "", BAD_FORMAT),
        ("<text>t</text><when/><part>1</part>", "", BAD_FORMAT),
        ("<text>t</text><when><date>a</date><date>b</date></when><part>1</part>", "", BAD_FORMAT),
        ("<text>t</text><when><new/><date>a</date></when><part>1</part>", "", BAD_FORMAT),
        ('<text>t</text><when a="1"><date>a</date></when><part>1</part>', "", BAD_FORMAT),
        ("<text>t</text><price>1</price><part>1</part>", "", BAD_FORMAT),
        ('<text>t</text><price currency="a">x</price><part>1</part>', "", BAD_VALUES),
        ('<text>t</text><price currency="a"><x:y/></price><part>1</part>', "", BAD_FORMAT),
        (GOOD, ' href="%zz"', BAD_VALUES),
    ],
)
def test_what_the_declaration_forbids_is_refused(body: str, attributes: str, detail: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(thing(body, attributes), Thing)
    assert (caught.value.answer, caught.value.detail) == (400, detail)


def test_the_reason_names_the_place() -> None:
    with pytest.raises(RemoteProtocolError, match=r"Thing/Small/number: '256' is outside 0\.\.255"):
        decode(thing("<text>t</text><Small><number>256</number></Small>"), Thing)


def test_the_root_must_be_what_is_expected_or_a_subtype() -> None:
    assert decode(encode(Bigger(number=1)), Small) == Bigger(number=1)
    assert decode(encode(Small(number=1)), (Thing, Small)) == Small(number=1)
    typed = encode(Bigger(number=1), tag="Small").replace(
        b"<Small", b'<Small xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Bigger"', 1
    )
    assert decode(typed, Small) == Bigger(number=1)
    for document in (
        encode(FULL),
        b"<Small><number>1</number></Small>",
        b'<no xmlns="urn:test"/>',
        b'<o xmlns="urn:o"/>',
    ):
        with pytest.raises(RemoteProtocolError, match="expected Small"):
            decode(document, Small)
    with pytest.raises(RemoteProtocolError, match="does not fit"):
        decode(
            encode(Small(number=1)).replace(
                b"<Small", b'<Small xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Thing"', 1
            ),
            Small,
        )


def test_empty_optional_elements_count_as_absent_where_declared_so() -> None:
    document = b'<Rooted xmlns="urn:rooted"><a>1</a><note/><count/></Rooted>'
    assert decode(document, Rooted) == Rooted(a=1)


def test_a_choice_that_must_be_made_is_checked() -> None:
    for body in (b"", b'<a>1</a><o:b xmlns:o="urn:other">1</o:b>'):
        with pytest.raises(RemoteProtocolError):
            decode(b'<Rooted xmlns="urn:rooted">' + body + b"</Rooted>", Rooted)


def test_a_parsed_tree_can_be_read_as_well() -> None:
    assert decode_element(parse(encode(FULL)), Thing) == FULL


# hostile documents

BOMB = b"".join(
    [
        b"<!DOCTYPE a [<!ENTITY a0 'ha'>",
        *(b"<!ENTITY a%d '&a%d;&a%d;'>" % (i, i - 1, i - 1) for i in range(1, 30)),
        b"]>",
    ]
)


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        (b"", 400),
        (b" \n", 400),
        (b"not xml", 400),
        (b"<a>", 400),
        (b"<a></b>", 400),
        (b"<a/><b/>", 400),
        (b'<a b="1" b="2"/>', 400),
        (b"<a>\xff</a>", 400),
        (b"<a>\x00</a>", 400),
        (b"<a>&#0;</a>", 400),
        (b"<a>&undeclared;</a>", 400),
        (b"<p:a/>", 400),
        (BOMB + b"<a>&a29;</a>", 400),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', 400),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', 400),
        (b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><a/>', 400),
        (b'<!DOCTYPE a PUBLIC "x" "http://127.0.0.1/x"><a/>', 400),
        (b'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></a>', 400),
        ("<a/>".encode("utf-16"), 400),
        (b'<?xml version="1.0" encoding="UTF-7"?><a>+ADw-</a>', 400),
        (b"<a>" * 40 + b"</a>" * 40, 400),
        (b"<a>" * 5000 + b"</a>" * 5000, 400),
        (b"<a>" + b"<b/>" * 40_000 + b"</a>", 413),
        (b"<a>" + b"x" * 300_000 + b"</a>", 413),
        (b"<a " + b" ".join(b'a%d="1"' % i for i in range(9000)) + b"/>", 400),
    ],
)
def test_attack_documents_are_refused(document: bytes, answer: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(document, Thing)
    assert caught.value.answer == answer


def test_a_byte_order_mark_and_a_declaration_are_harmless() -> None:
    assert decode(b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>' + encode(FULL), Thing) == FULL


def test_caps_are_the_callers() -> None:
    with pytest.raises(RemoteProtocolError, match="larger than 10"):
        parse(b"<aaaaaaaaaaaa/>", Limits(octets=10))
    with pytest.raises(RemoteProtocolError, match="more than 1 tags"):
        parse(b"<a></a>", Limits(tags=1))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_a_remote_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(data, Thing)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_document_raises_nothing_but_a_remote_error(data: st.DataObject) -> None:
    document = bytearray(encode(FULL))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(document) - 1))
        document[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    try:
        again = decode(bytes(document), Thing)
    except RemoteProtocolError:
        return
    assert decode(encode(again), Thing) == again


# simple types


@pytest.mark.parametrize(
    ("kind", "text", "value", "written"),
    [
        (UINT8, "0", 0, "0"),
        (UINT8, "+0255", 255, "255"),
        (UINT8, "-0", 0, "0"),
        (integer("Int8", -128, 127), "-128", -128, "-128"),
        (hex_text("H", 2), " aB01 ", "AB01", "AB01"),
        (hex_text("H", 2), "", "", ""),
        (hex_bits("B", 2), "1f", 31, "001F"),
        (hex_bits("B", 1), "", 0, "00"),
        (BOOLEAN, "1", True, "true"),
        (BOOLEAN, " false ", False, "false"),
        (TOKEN, "  a \n b ", "a b", "a b"),
        (STRING, " a ", " a ", " a "),
        (string("P", pattern="[0-9]{3}"), "200", "200", "200"),
        (string("L", 3), "漢漢漢", "漢漢漢", "漢漢漢"),
        (enumeration("E", ["a", "b"], other=r"x-\S.*"), "x-y", "x-y", "x-y"),
        (FLOAT, "1e3", 1000.0, "1000.0"),
        (FLOAT, "-INF", float("-inf"), "-INF"),
        (DECIMAL, ".5", 0.5, "0.5"),
        (DECIMAL, "-7.", -7.0, "-7"),
        (DECIMAL, "0", 0.0, "0"),
        (list_of(FLOAT), " 1.5 2 ", (1.5, 2.0), "1.5 2.0"),
        (ANY_URI, " /a ", "/a", "/a"),
    ],
)
def test_a_text_becomes_a_value_and_back(kind: Primitive, text: str, value: object, written: str) -> None:
    assert kind.parse(text) == value
    assert kind.render(value) == written
    assert kind.parse(written) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (UINT8, ""),
        (UINT8, "256"),
        (UINT8, "0x1"),
        (UINT8, "1 2"),
        (UINT8, "\u00a01"),
        (hex_text("H", 2), "ABC"),
        (hex_text("H", 2), "ABCDEF"),
        (hex_text("H", 2), "GG"),
        (hex_bits("B", 1), "0x"),
        (BOOLEAN, "TRUE"),
        (string("P", pattern="[0-9]{3}"), "2000"),
        (string("L", 3), "abcd"),
        (enumeration("E", ["a"]), "b"),
        (FLOAT, "inf"),
        (FLOAT, "1_0"),
        (DECIMAL, "1e3"),
        (DECIMAL, "."),
        (list_of(UINT8), "1 x"),
        (ANY_URI, "a\x7f"),
    ],
)
def test_a_text_that_does_not_fit_is_refused(kind: Primitive, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        kind.parse(text)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_text_survives_markup(text: str) -> None:
    try:
        document = encode(Priced(amount=0.0, currency=text))
    except LocalProtocolError:
        assert any(
            not (c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff") for c in text
        )
        return
    assert decode(document, Priced).currency == text


# ranges that only a standard's text gives


@wire(TEST)
class Advised2(WireObject):
    percent: int | None = element(UINT8.named("P", advised=(0, 100)), default=None)


@wire(TEST)
class Advised(WireObject):
    percent: int | None = element(UINT8.named("P", advised=(0, 100)), default=None)
    level: int | None = attribute(UINT8.named("L", advised=(1, 3)), default=None)
    parts: list[Advised2] = element(Advised2, "part", default_factory=list)


def test_advised_ranges_are_told_and_not_enforced() -> None:
    value = Advised(percent=101, level=0, parts=[Advised2(percent=100), Advised2(percent=200)])
    assert decode(encode(value), Advised) == value
    assert list(advised_problems(value)) == [
        "level: 0 is outside 1..3",
        "percent: 101 is outside 0..100",
        "parts.percent: 200 is outside 0..100",
    ]
    assert list(advised_problems(Advised())) == []


# declarations


def test_inheritance_puts_inherited_parts_first() -> None:
    spec = spec_of(Bigger)
    assert [f.attr for f in spec.elements] == ["number", "extra"]
    assert [f.attr for f in spec.own_elements] == ["extra"]
    assert [f.attr for f in spec.attributes] == ["href"]


def test_a_declaration_is_made_once_and_fully() -> None:
    with pytest.raises(LocalProtocolError, match="twice"):

        @wire(TEST, name="Thing")
        class Again(WireObject):
            pass

    with pytest.raises(LocalProtocolError, match="without element"):

        @wire(TEST)
        class Plain(WireObject):
            field: int = 3


def test_samples_are_valid_and_depend_on_the_seed_only() -> None:
    for seed in range(40):
        for optionals in (0.0, 0.5, 1.0):
            one = sample(Thing, Random(seed), optionals=optionals)
            assert one == sample(Thing, Random(seed), optionals=optionals)
            assert decode(encode(one), Thing) == one
            rooted = sample(Rooted, Random(seed), optionals=optionals)
            assert (rooted.a is None) != (rooted.b is None)
    with pytest.raises(LocalProtocolError, match="abstract"):
        sample(Item, Random(0))
