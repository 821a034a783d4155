"""What each protocol brings to a server, one module per protocol, imported only where the configuration has it."""
