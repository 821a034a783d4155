"""Drives any Modbus device that a register table describes; the table is YAML, the driver reads it."""
