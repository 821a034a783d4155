"""What each write does, one file per function set: check, make durable, show. No sockets, no clock."""
