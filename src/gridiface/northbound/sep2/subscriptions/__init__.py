"""Who wants to be told of changes, and what he knows already."""
