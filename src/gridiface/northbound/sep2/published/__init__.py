"""What a utility publishes, and to whom: checked, durable, then shown."""
