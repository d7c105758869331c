"""Programs that print a table each; run them as modules from the top of the tree."""
