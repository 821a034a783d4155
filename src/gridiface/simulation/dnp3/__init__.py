"""A DNP3 master for demonstrations, benchmarks and tests: client.py in a program, `__main__` as a process."""
