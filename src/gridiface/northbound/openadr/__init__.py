"""OpenADR 2.0b adapter: VENs towards utilities' VTNs, and our VTN with its VENs as members of the fleet."""
