"""Load from outside, for the benchmarks: clients in processes of their own, and the shape of their figures."""
