"""DNP3 outstation adapter."""
