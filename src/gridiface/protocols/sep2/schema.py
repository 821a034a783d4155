"""The XML schema of our IEEE 2030.5 wire types, built from their declarations.

It says what this codec reads and writes, in a form other tools can check against. It is no copy of the official schema:
names, types, order and occurrence come from the declarations, and tests hold both against each other.
"""

from __future__ import annotations

from lxml import etree

from gridiface.errors import LocalProtocolError
from gridiface.protocols.sep2.primitives import NAMESPACE, SEP2
from gridiface.protocols.sep2.resources import ELEMENTS
from gridiface.protocols.xmlwire import FieldSpec, WireObject, WireType, spec_of
from gridiface.protocols.xmlwire.primitives import Primitive

_XS = "http://www.w3.org/2001/XMLSchema"
_NOTE = " Generated from the wire tables of gridiface (gridiface.protocols.sep2.schema); not to be edited by hand. "


def build_xsd() -> bytes:
    """The schema document, UTF-8, the same bytes for the same declarations. Extensions of profiles are left out.

    Raises:
        LocalProtocolError: two simple types of one name differ, or a declaration needs what XML Schema cannot say.
    """
    root = etree.fromstring(f'<xs:schema xmlns:xs="{_XS}" xmlns="{NAMESPACE}"/>')
    root.set("targetNamespace", NAMESPACE)
    root.set("elementFormDefault", "qualified")
    root.append(etree.Comment(_NOTE))
    classes = sorted({cls for (ns, _), cls in SEP2.types.items() if ns == NAMESPACE}, key=lambda c: spec_of(c).name)
    for primitive in _simple_types(classes):
        _add_simple_type(root, primitive)
    for cls in classes:
        _add_complex_type(root, cls)
    for name, cls in sorted(ELEMENTS.items()):
        etree.SubElement(root, _xs("element"), name=name, type=spec_of(cls).name)
    etree.indent(root)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8") + b"\n"


def _xs(name: str) -> str:
    return f"{{{_XS}}}{name}"


def _own_fields(spec: WireType) -> tuple[FieldSpec, ...]:
    return tuple(f for f in (*spec.own_attributes, *spec.own_elements) if not f.extension)


def _simple_types(classes: list[type[WireObject]]) -> list[Primitive]:
    found: dict[str, Primitive] = {}
    for cls in classes:
        for f in _own_fields(spec_of(cls)):
            kind = f.kind
            if not isinstance(kind, Primitive) or _is_built_in(kind):
                continue
            known = found.setdefault(kind.name, kind)
            if (known.xsd, known.facets) != (kind.xsd, kind.facets):
                raise LocalProtocolError(f"two simple types are called {kind.name}")
    return [found[name] for name in sorted(found)]


def _is_built_in(primitive: Primitive) -> bool:
    return primitive.xsd == f"xs:{primitive.name}"


def _type_name(f: FieldSpec) -> str:
    if isinstance(f.kind, Primitive):
        return f.kind.xsd if _is_built_in(f.kind) else f.kind.name
    if isinstance(f.kind, tuple):
        raise LocalProtocolError(f"{f.wire} is a substitution group, which this schema has none of")
    return spec_of(f.kind).name


def _add_simple_type(root: etree._Element, primitive: Primitive) -> None:
    simple = etree.SubElement(root, _xs("simpleType"), name=primitive.name)
    restriction = etree.SubElement(simple, _xs("restriction"), base=primitive.xsd)
    for facet, value in primitive.facets:
        etree.SubElement(restriction, _xs(facet), value=value)


def _add_complex_type(root: etree._Element, cls: type[WireObject]) -> None:
    spec = spec_of(cls)
    holder = etree.SubElement(root, _xs("complexType"), name=spec.name)
    base = cls.__mro__[1]
    if "__wire__" in base.__dict__:
        content = etree.SubElement(holder, _xs("complexContent"))
        holder = etree.SubElement(content, _xs("extension"), base=spec_of(base).name)
    elements = [f for f in spec.own_elements if not f.extension]
    if elements:
        sequence = etree.SubElement(holder, _xs("sequence"))
        for f in elements:
            most = "unbounded" if f.at_most is None else str(f.at_most)
            element = etree.SubElement(sequence, _xs("element"), name=f.wire, type=_type_name(f))
            element.set("minOccurs", str(f.at_least))
            element.set("maxOccurs", most)
    for f in spec.own_attributes:
        attribute = etree.SubElement(holder, _xs("attribute"), name=f.wire, type=_type_name(f))
        attribute.set("use", "required" if f.required else "optional")
