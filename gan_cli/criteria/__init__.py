"""What a model of one player minimises, one a file."""
