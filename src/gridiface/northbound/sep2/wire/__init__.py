"""Connections, and who asks too often or is refused on them; notifications that leave."""
