"""Sans-I/O protocol cores; they know neither the domain nor each other."""
