"""What a command leads to: judged, asked of the engine, durable, then answered."""
