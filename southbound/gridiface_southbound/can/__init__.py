"""Devices on a CAN bus, described by a table of frames and signals; Linux SocketCAN."""
