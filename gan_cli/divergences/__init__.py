"""The f-divergences: a convex function, its conjugate and the output activation that fits it, one a file."""
