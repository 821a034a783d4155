"""Decides: limits, arbitration, allocation. Domain in, domain out, `now` is an argument."""
