"""The process of one server: clock, timers, log, traces, descriptors, garbage, housekeeping."""
