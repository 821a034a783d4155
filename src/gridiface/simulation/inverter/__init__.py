"""A simulated inverter with storage that speaks IEEE 2030.5 as a client, in a process of its own."""
