"""The one dataclass <-> XML codec, driven by what the fields declare.

Owns declarations (`wire`, `element`, `attribute`, `content`), hardened parsing, strict decoding and fast encoding.
Does not own any protocol's types: those are declared with it by the protocol packages.
"""

from gridiface.protocols.xmlwire.advice import advised_problems
from gridiface.protocols.xmlwire.declare import (
    FieldSpec,
    Vocabulary,
    WireObject,
    WireType,
    attribute,
    content,
    element,
    spec_of,
    wire,
)
from gridiface.protocols.xmlwire.decode import decode, decode_element
from gridiface.protocols.xmlwire.encode import encode, encode_list, encode_member
from gridiface.protocols.xmlwire.kept import kept, plain
from gridiface.protocols.xmlwire.lenient import Lenient, decode_leniently, decode_rearranged
from gridiface.protocols.xmlwire.parse import BAD_FORMAT, BAD_VALUES, DEFAULT_LIMITS, Limits, parse

__all__ = [
    "BAD_FORMAT",
    "BAD_VALUES",
    "DEFAULT_LIMITS",
    "FieldSpec",
    "Lenient",
    "Limits",
    "Vocabulary",
    "WireObject",
    "WireType",
    "advised_problems",
    "attribute",
    "content",
    "decode",
    "decode_element",
    "decode_leniently",
    "decode_rearranged",
    "element",
    "encode",
    "encode_list",
    "encode_member",
    "kept",
    "parse",
    "plain",
    "spec_of",
    "wire",
]
