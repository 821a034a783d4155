"""The fleet in numbers: columns by device, groups as a tree, the log of decisions."""
