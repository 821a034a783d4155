"""What stands at which index: measures, actions, and their places."""
