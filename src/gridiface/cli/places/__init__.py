"""Where a verb works: at a running server over its REST API, or on the store of a stopped one."""
