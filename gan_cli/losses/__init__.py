"""Losses: what either player minimises, as a function of the critic's scores, one a file."""
