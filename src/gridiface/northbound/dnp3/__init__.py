"""The DNP3 (IEEE 1815) adapter: outstations whose points are the fleet, for the masters of utilities and ISOs."""
