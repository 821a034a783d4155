"""`gridiface dnp3`: the verbs of the outstation and of the master that asks it, one file per kind of thing."""
