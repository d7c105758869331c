"""The command line: the only entry points. Hydra and torch are imported late, when a run needs them."""
