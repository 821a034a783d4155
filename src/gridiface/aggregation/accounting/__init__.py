"""What was asked, given and delivered, by interval."""
