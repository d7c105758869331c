"""A laboratory for adversarial training: games, divergences and tricks, each tested against its mathematics."""

__version__ = "0.1.0"
