"""OpenADR and the domain, both ways. Pure."""
