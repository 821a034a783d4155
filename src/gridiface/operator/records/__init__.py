"""What the surface keeps: the audit log, blocks, the trace, the last minutes of each group."""
