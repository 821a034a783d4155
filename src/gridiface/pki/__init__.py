"""Certificates and TLS: who may connect, and by which name we know them.

Module by module, bottom first: `alerts` and `tlswire` (bytes of TLS), `identity` (LFDI, SFDI, PIN), `der` and
`certificate` (reading X.509), `profiles` (certs/profiles.toml), `revocation`, `path` and `policy` (our own checks of a
peer's chain), `contexts` (ssl), `credentials` (files, reloaded while running), `authority` (a test PKI), `faults`
(certificates that must be refused). No socket is opened here.
"""
