"""Units, and what the schema allows of elements with fixed values and of xsi:type."""

from __future__ import annotations

import pytest
from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.payloads.envelope import PAYLOADS, decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.namespaces import EI, EMIX, OADR, POWER, PYLD, SCALE, XCAL
from gridiface.protocols.xmlwire import spec_of

NAMES = [spec_of(cls).element for cls in PAYLOADS]


def a_metadata_report(unit: str) -> bytes:
    """The metadata of one data point, as a code generator writes it, with this unit."""
    return f"""<p1:oadrPayload xmlns:p1="{OADR}" xmlns:p2="{PYLD}" xmlns:p3="{EI}" xmlns:p4="{XCAL}" xmlns:p5="{POWER}"
        xmlns:p6="{SCALE}" xmlns:p7="{EMIX}" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><p1:oadrSignedObject>
      <p1:oadrRegisterReport p3:schemaVersion="2.0b"><p2:requestID>r1</p2:requestID><p1:oadrReport>
        <p4:duration><p4:duration>PT120M</p4:duration></p4:duration>
        <p1:oadrReportDescription><p3:rID>a</p3:rID><p3:reportType>reading</p3:reportType>{unit}
          <p3:readingType>Direct Read</p3:readingType><p7:marketContext/></p1:oadrReportDescription>
        <p3:reportRequestID>0</p3:reportRequestID><p3:reportSpecifierID>s</p3:reportSpecifierID>
        <p3:reportName>METADATA_TELEMETRY_USAGE</p3:reportName>
        <p3:createdDateTime>2026-11-29T02:00:00Z</p3:createdDateTime></p1:oadrReport><p3:venID>v</p3:venID>
      </p1:oadrRegisterReport></p1:oadrSignedObject></p1:oadrPayload>""".encode()


ENERGY = (
    "<p5:energyReal{attribute}><p5:itemDescription>{description}</p5:itemDescription><p5:itemUnits>{units}</p5:itemUnits>"
    "<p6:siScaleCode>none</p6:siScaleCode></p5:energyReal>"
)


FIXED_OR_EMPTY = [
    ("RealEnergy", "Wh", "", True),
    ("", "", "", True),
    ("", "Wh", ' i:type="p5:EnergyRealType"', True),
    (" ", "Wh", "", False),
    ("ApparentEnergy", "Wh", "", False),
    ("RealEnergy", "VAh", "", False),
    ("", "", ' i:type="p5:EnergyApparentType"', False),
    ("", "", ' i:type="p1:EnergyRealType"', False),
    ("", "", ' i:type="p5:Nothing"', False),
]


@pytest.mark.schema
@pytest.mark.parametrize(("description", "units_", "attribute", "good"), FIXED_OR_EMPTY)
def test_the_schema_sees_fixed_and_empty_elements_as_we_do(schema, description, units_, attribute, good):
    data = a_metadata_report(ENERGY.format(attribute=attribute, description=description, units=units_))
    assert schema.validate(etree.fromstring(data)) is good


@pytest.mark.parametrize(("description", "units_", "attribute", "good"), FIXED_OR_EMPTY)
def test_an_empty_element_has_the_value_that_the_schema_fixes_and_xsi_type_may_say_what_is_known(
    description, units_, attribute, good
):
    data = a_metadata_report(ENERGY.format(attribute=attribute, description=description, units=units_))
    if not good:
        with pytest.raises(RemoteProtocolError):
            decode_payload(data)
        return
    (offered,) = decode_payload(data)[0].oadrReport
    unit = offered.oadrReportDescription[0].itemBase
    assert (type(unit), unit.itemDescription, unit.itemUnits) == (units.EnergyReal, "RealEnergy", "Wh")


@pytest.mark.schema
@pytest.mark.parametrize("cls", PAYLOADS, ids=NAMES)
def test_each_element_may_name_its_own_type(cls, schema, maker):
    """Code generators write xsi:type where a type is derived from an abstract one; the schema's verdict is ours."""
    root = etree.fromstring(encode_payload(maker(3).make(cls)))
    tried = 0
    for node in [node for node in root.iter() if len(node)]:
        name, space = etree.QName(node).localname, etree.QName(node).namespace
        for local in (f"{name}Type", f"{name[0].upper()}{name[1:]}Type", _OTHER_TYPES.get(name, "")):
            if not local or space not in node.nsmap.values():
                continue
            prefix = next(known for known, uri in node.nsmap.items() if uri == space)
            node.set(XSI_TYPE, f"{prefix}:{local}")
            if schema.validate(etree.fromstring(etree.tostring(root))):
                decode_payload(etree.tostring(root))
                tried += 1
            del node.attrib[XSI_TYPE]
    assert tried


_OTHER_TYPES = {"customUnit": "BaseUnitType", "currencyPerKWh": "currencyType", "currencyPerKW": "currencyType"}
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
