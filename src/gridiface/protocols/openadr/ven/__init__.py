"""The VEN: its session with a VTN as a state machine without I/O."""

from gridiface.protocols.openadr.ven.samples import Sample, SampleMemory, SampleSource
from gridiface.protocols.openadr.ven.session import Request, Ven
from gridiface.protocols.openadr.ven.state import DataPoint, Judge, KnownEvent, ReportOffer, VenConfig, Verdict

__all__ = [
    "DataPoint",
    "Judge",
    "KnownEvent",
    "ReportOffer",
    "Request",
    "Sample",
    "SampleMemory",
    "SampleSource",
    "Ven",
    "VenConfig",
    "Verdict",
]
