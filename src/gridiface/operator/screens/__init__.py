"""The pages for people: one module per screen. They read what the API reads and change things only as it does."""
