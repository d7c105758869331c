"""Models of one player: networks that stand for a law of their own, one a file."""
