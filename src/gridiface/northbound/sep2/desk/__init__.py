"""What an operator, or a test harness, sees and makes the server do."""
