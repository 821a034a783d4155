"""Plain grid words: quantities, fleet, controls, telemetry. Pure: no protocol word, no clock, no I/O."""
