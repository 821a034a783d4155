"""IEEE 2030.5 server: translation, use cases, TLS listener."""
