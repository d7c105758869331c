"""How the jobs of a sweep are run, as `hydra/launcher=…` chooses."""
