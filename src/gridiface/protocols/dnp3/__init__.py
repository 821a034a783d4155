"""DNP3 (IEEE 1815): objects, link, transport, application, outstation and master, without I/O."""
