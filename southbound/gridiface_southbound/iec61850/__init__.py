"""Devices that speak IEC 61850 over MMS, described by a table of references; on the core `gridiface.protocols.mms`."""
