"""Declarations of the 23 payloads of OpenADR 2.0b and everything below them.

Names are the schema's, with a capital first letter for classes. Times are seconds since 1970 UTC, durations seconds.
"""
