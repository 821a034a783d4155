"""What protocols over streams share below all layers: listening, accepting, receiving."""
