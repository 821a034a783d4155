"""What came of controls, for people: measured, summed, settled."""
