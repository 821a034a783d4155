"""How the REST API is declared, checked, answered and described."""
