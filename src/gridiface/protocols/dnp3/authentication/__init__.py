"""Secure Authentication v5: what both ends share."""
