"""What an outstation shows of itself: its profile, its configuration, its files."""
