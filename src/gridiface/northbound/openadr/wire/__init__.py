"""Payloads on their way: simple HTTP and XMPP, sockets, clocks and certificates of peers."""
