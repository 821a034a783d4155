"""What lies ahead: the plan at an instant to come, and what a target can be counted on for. Nothing is changed."""
