"""Domain values as the rows and forms of the API. Pure."""
