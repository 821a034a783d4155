"""The VTN: sessions with its VENs as a state machine without I/O."""

from gridiface.protocols.openadr.vtn.entities import Delivery, EventRecord, ReportWish, Ven, VtnConfig
from gridiface.protocols.openadr.vtn.liveness import Liveness, liveness_of
from gridiface.protocols.openadr.vtn.registration import Peer
from gridiface.protocols.openadr.vtn.results import Push, Result
from gridiface.protocols.openadr.vtn.session import Vtn

__all__ = [
    "Delivery",
    "EventRecord",
    "Liveness",
    "Peer",
    "Push",
    "ReportWish",
    "Result",
    "Ven",
    "Vtn",
    "VtnConfig",
    "liveness_of",
]
