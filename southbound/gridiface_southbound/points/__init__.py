"""What drivers share whose device is described by a table of points: registers, JSON values, topics, signals."""
