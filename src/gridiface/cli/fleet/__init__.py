"""Verbs on devices, groups and portfolios."""
