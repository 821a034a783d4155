"""The fleet as points, and commands as controls. Pure."""
