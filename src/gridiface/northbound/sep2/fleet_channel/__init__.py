"""The way to members of the fleet that are 2030.5 inverters."""
