"""Who has an EndDevice, what stands at its place, and what it posts of itself."""
