"""What devices and meters tell, and what of it is believed."""
