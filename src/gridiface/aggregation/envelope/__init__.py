"""What devices and groups can give: bounds now and over time, what is doubted, the look at the next seconds."""
