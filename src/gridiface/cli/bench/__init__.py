"""`gridiface bench`: what the server does per second on this machine, one file per measured thing."""
