"""A laboratory for adversarial training: games, divergences and tricks, each one tested against its mathematics."""

__version__ = "0.1.0"
