"""Our VTN and the VENs behind it."""
