"""One run on many processes: each has its rows of every batch, and all have the same state."""
