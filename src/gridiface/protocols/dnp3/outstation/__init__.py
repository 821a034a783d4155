"""The outstation: its database and events, an association for each master, and what requests lead to."""
