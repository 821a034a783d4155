"""The world outside, for the demo and for tests: devices, inverters, utilities, masters."""
