"""Black-box conformance: procedures as data, a runner, and one session per protocol that sees only the wire."""
