"""Devices behind an MQTT broker, described by a table; needs the extra `gridiface[mqtt]`."""
