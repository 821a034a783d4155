"""Programs of devices and of nodes: their controls, defaults and curves, and whose they are."""
