"""The verb that runs the server: signals, and what a service manager is told."""
