"""Devices with a web API of their own, described by a table."""
