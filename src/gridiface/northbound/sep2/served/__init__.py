"""What is served: the tree of resources, the records behind it, and their durable form."""
