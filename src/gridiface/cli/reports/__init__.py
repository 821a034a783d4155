"""Verbs on meter data, baselines, settlements and performance."""
