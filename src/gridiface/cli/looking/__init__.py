"""Verbs that look whether an installation can work, and what a helper from afar needs of it."""
