"""Pages and REST API for the people who run the server."""
