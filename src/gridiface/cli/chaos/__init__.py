"""Reliability runs behind `gridiface chaos NAME`: one module per scenario, found by the registry."""
