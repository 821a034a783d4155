"""Our VEN towards VTNs."""
