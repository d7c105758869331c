"""Studies: known experiments over several seeds and settings, each ending in a table and a figure."""
