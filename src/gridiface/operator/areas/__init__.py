"""The areas of the REST API: one module each, with shapes, routes, handlers. See docs/developer/rest-areas.md."""
