"""Whether a payload is one that a VTN looks into: it came to its service, and says the profile's version.

Owns rules 509 and 511. Who sent it, and whether they may, is registration's.
"""

from __future__ import annotations

from gridiface.protocols.openadr.answers import SERVICE_OF, Code, Refusal
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.event import OadrResponse
from gridiface.protocols.openadr.payloads.namespaces import SCHEMA_VERSION
from gridiface.protocols.openadr.vtn.entities import VtnConfig


def check_service(payload: Payload, service: str) -> None:
    """`service` is that of the URI, "" where there is none.

    Raises:
        Refusal: 459; the payload belongs to another service.
    """
    # oadrResponse answers payloads of every service.
    if service and not isinstance(payload, OadrResponse) and SERVICE_OF.get(type(payload)) != service:
        raise Refusal(Code.COMPLIANCE, f"this payload does not belong to {service}")


def check_version(payload: Payload, ven_id: str, config: VtnConfig, *, optional: bool = False) -> None:
    """Only for the B profile: the A profile has no versions.

    Args:
        payload: what came.
        ven_id: of the sender, "" where nobody knows.
        config: of the VTN.
        optional: whether it may have been lost on the way.

    Raises:
        Refusal: 459; the schemaVersion is another, or left out by a VEN that may not.
    """
    said = payload.schemaVersion
    if said is None and (optional or config.version_optional or ven_id in config.version_optional_of):
        return
    if said != SCHEMA_VERSION:
        raise Refusal(Code.COMPLIANCE, f'schemaVersion must be "{SCHEMA_VERSION}" (rule 509)')
