"""Which devices and groups there are: from the file, from changes while running, and found by drivers."""
