"""Declarations of the IEEE 2030.5 wire types, one file per function set."""
