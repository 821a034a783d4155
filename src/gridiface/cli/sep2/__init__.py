"""`gridiface sep2`: the verbs of the IEEE 2030.5 server and of the client to utilities, one file per kind of thing."""
