"""IEEE 2030.5-2018: wire types, identity, HTTP exchange and client, without I/O."""
