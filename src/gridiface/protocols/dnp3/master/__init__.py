"""The master of one outstation: what it asks, by itself and when it is told to."""
