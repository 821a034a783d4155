"""Stories for `gridiface demo --story`: the engine over a simulated fleet in compressed time, drawn and settled."""
