"""Black-box conformance runner: sees only the wire."""
