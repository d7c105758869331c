"""A laboratory for adversarial training: games, divergences and tricks, tested against their mathematics."""

__version__ = "0.1.0"
