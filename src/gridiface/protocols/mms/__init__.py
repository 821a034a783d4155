"""Manufacturing Message Specification (ISO 9506) over the OSI upper layers on TCP, as IEC 61850-8-1 uses it.

The layers from the bottom: `tpkt` and `cotp` (RFC 1006, ISO 8073 class 0), `session` (X.225), `presentation` (X.226),
`acse` (X.227), `association` (all of them together), `data`, `types`, `names`, `services`, `responses` and `pdu`
(ISO 9506-2), `client` (one association with its requests). On them IEC 61850: `references`, `quality`, `control`,
`control_values` and `reporting`.
"""
