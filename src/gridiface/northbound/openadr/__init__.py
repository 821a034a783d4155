"""OpenADR 2.0b adapter: its own issue; the place is kept."""
