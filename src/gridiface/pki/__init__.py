"""Certificates: profiles, a test authority, TLS contexts and our own checks after the handshake."""
