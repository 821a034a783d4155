"""Sockets, serial lines and the sessions on them."""
